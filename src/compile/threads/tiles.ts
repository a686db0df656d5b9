/** How the batch is cut into tiles that several threads share. */

/**
 * What a tile costs beside its entries, in entries: small tiles call more and
 * have shorter rows.
 */
const TILE_COST = 0.25;
/** What a last, smaller tile costs, in entries: code of its own. */
const REST_COST = 1;

/**
 * The size of tiles with which the thread that has most is done first.
 *
 * @param batch How many batch entries there are.
 * @param threads How many threads share them.
 * @param most The most entries whose intermediates stay in fast memory.
 * @returns Entries in a tile.
 */
export function shareBatch(
  batch: number,
  threads: number,
  most: number,
): number {
  let best = { tile: 1, cost: Infinity };
  for (let tile = Math.min(most, batch); tile >= 1; tile--) {
    const tiles = Math.ceil(Math.ceil(batch / tile) / threads);
    const rest = batch % tile === 0 ? 0 : REST_COST;
    const cost = tiles * (tile + TILE_COST) + rest;
    if (cost < best.cost) best = { tile, cost };
  }
  return best.tile;
}
