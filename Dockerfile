# The command `ckvd`, built from a clone: docs/every-day.md tells how to run it.
FROM node:22-slim AS build
WORKDIR /build
COPY . .
RUN npm ci && npm run build && mkdir packed && npm pack --ignore-scripts --pack-destination packed

FROM node:22-slim
WORKDIR /install
COPY --from=build /build/packed ./
RUN npm install --global ./*.tgz && rm ./*.tgz && npm cache clean --force
# universe files lie in the package: `--universe config/universe/spot_synchronal.csv` works from here
WORKDIR /usr/local/lib/node_modules/crypto-kline-vision-data
# what must outlive a container: the lake, and what this address has been told by the exchange
RUN mkdir /lake /state && chown node:node /lake /state
ENV CKVD_LAKE=/lake CKVD_STATE=/state
VOLUME ["/lake", "/state"]
USER node
ENTRYPOINT ["ckvd"]
CMD ["sync", "--quiet"]
