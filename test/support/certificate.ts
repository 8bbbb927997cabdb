/** A certificate for 127.0.0.1 that nobody has signed, valid for a century, and its key: for servers of tests alone. */
export const CERTIFICATE = `-----BEGIN CERTIFICATE-----
MIIBmzCCAUGgAwIBAgIUZykjx7XktC1Le4cRI8325Grwu2UwCgYIKoZIzj0EAwIw
FDESMBAGA1UEAwwJbG9jYWxob3N0MCAXDTI2MTEyOTE0MDYzMloYDzIxMjYxMTA1
MTQwNjMyWjAUMRIwEAYDVQQDDAlsb2NhbGhvc3QwWTATBgcqhkjOPQIBBggqhkjO
PQMBBwNCAAQ0gKuffUsJ8szs+MRtGZ17EKlCpoFBjgZ6yyFM+inmg6pdrd0jr1pz
sDyev3kVZv2utcPmoWmnstOfhiCfVmYuo28wbTAdBgNVHQ4EFgQUcA49tTvV7nNf
SuFeu/pB1SlzwJQwHwYDVR0jBBgwFoAUcA49tTvV7nNfSuFeu/pB1SlzwJQwDwYD
VR0TAQH/BAUwAwEB/zAaBgNVHREEEzARhwR/AAABgglsb2NhbGhvc3QwCgYIKoZI
zj0EAwIDSAAwRQIgPcnoLgzx95KRNtdtTd7fiqlq4JHJXTMEl3YUvaR1XZcCIQCe
pfPWCmesLalCYrSUJjwnTsRTTqcZ9RpA7NbIM0/7Eg==
-----END CERTIFICATE-----
`
export const KEY = `-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgmO60Q02zyDyN6egv
yDO6A5JhtsijT/TQyofeVI91ETehRANCAAQ0gKuffUsJ8szs+MRtGZ17EKlCpoFB
jgZ6yyFM+inmg6pdrd0jr1pzsDyev3kVZv2utcPmoWmnstOfhiCfVmYu
-----END PRIVATE KEY-----
`
