/** Stretches of a chart that are shaded, over its whole height: drawn by lightweight-charts among its own layers. */
import type {
  IPrimitivePaneRenderer,
  IPrimitivePaneView,
  ISeriesPrimitive,
  SeriesAttachedParameter,
  Time,
  UTCTimestamp,
} from 'lightweight-charts'
import type { ChartShade } from './chart-data.ts'

/** How a stretch looks: its colour, and whether it is hatched (no meaning rests on a colour alone). */
export interface ShadeLook {
  readonly color: string
  readonly isHatched: boolean
}

/** A shade by the open times of its first and last slot. */
export interface PlacedShade {
  readonly shade: ChartShade
  readonly first: UTCTimestamp
  readonly last: UTCTimestamp
}

/** Pixels between two lines of a hatching. */
const HATCH_STEP = 8
/** Pixels of a stretch that would be narrower, and how opaque it is, so that it is seen. */
const LEAST_WIDTH = 3
const NARROW_ALPHA = 0.7
const ALPHA = 0.16

type Target = Parameters<IPrimitivePaneRenderer['draw']>[0]

/** Shades behind a series. */
export class ShadeLayer implements ISeriesPrimitive<Time>, IPrimitivePaneView, IPrimitivePaneRenderer {
  readonly #shades: readonly PlacedShade[]
  readonly #lookOf: (shade: ChartShade) => ShadeLook
  #attached: SeriesAttachedParameter<Time> | undefined

  constructor(shades: readonly PlacedShade[], lookOf: (shade: ChartShade) => ShadeLook) {
    this.#shades = shades
    this.#lookOf = lookOf
  }

  attached(to: SeriesAttachedParameter<Time>): void {
    this.#attached = to
  }

  /** Draws anew, after the look has changed. */
  redraw(): void {
    this.#attached?.requestUpdate()
  }

  paneViews(): readonly IPrimitivePaneView[] {
    return [this]
  }

  zOrder(): 'bottom' {
    return 'bottom'
  }

  renderer(): IPrimitivePaneRenderer {
    return this
  }

  draw(target: Target): void {
    const scale = this.#attached?.chart.timeScale()
    if (scale === undefined) return
    const half = scale.options().barSpacing / 2
    target.useMediaCoordinateSpace(({ context, mediaSize: { width, height } }) => {
      for (const { shade, first, last } of this.#shades) {
        const [from, to] = [scale.timeToCoordinate(first), scale.timeToCoordinate(last)]
        if (from === null || to === null) continue
        const [left, right] = [Math.max(0, from - half), Math.min(width, to + half)]
        if (left < right) fillShade(context, { left, width: Math.max(LEAST_WIDTH, right - left), height }, this.#lookOf(shade))
      }
    })
  }
}

function fillShade(
  context: CanvasRenderingContext2D,
  box: { readonly left: number; readonly width: number; readonly height: number },
  { color, isHatched }: ShadeLook,
): void {
  context.save()
  context.beginPath()
  context.rect(box.left, 0, box.width, box.height)
  context.clip()
  context.fillStyle = context.strokeStyle = color
  context.globalAlpha = box.width > LEAST_WIDTH ? ALPHA : NARROW_ALPHA
  context.fill()
  if (isHatched) {
    context.globalAlpha = 0.6
    context.beginPath()
    // lines of the whole chart, so that they do not move where a stretch is cut at its edge
    for (let x = Math.floor((box.left - box.height) / HATCH_STEP) * HATCH_STEP; x < box.left + box.width; x += HATCH_STEP) {
      context.moveTo(x, box.height)
      context.lineTo(x + box.height, 0)
    }
    context.stroke()
  }
  context.restore()
}
