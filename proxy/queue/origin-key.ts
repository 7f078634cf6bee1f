import type { Origin } from "../connection/origin.ts";

/** What of a client's origin tells builds that belong together, for fairness and for affinity. */
export const originKeys = ["identity", "serverName", "listener"] as const;
export type OriginKey = (typeof originKeys)[number];

/** What a queue takes turns between; `none` is first come, first served. */
export const fairByChoices = ["none", ...originKeys] as const;
export type FairBy = (typeof fairByChoices)[number];

/** Clients without the key, and all clients where nobody is told apart, are one tenant. */
export function tenantOf(origin: Origin, by: FairBy): string {
	return by === "none" ? "" : (origin[by] ?? "");
}

/** A client without the key is known by its address: one machine's builds stay together. */
export function affinityKeyOf(origin: Origin, by: OriginKey): string {
	return origin[by] ?? origin.address;
}
