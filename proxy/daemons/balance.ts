import { weight } from "./rendezvous.ts";

/** A daemon with room, as a balancing policy sees it. */
interface Candidate {
	readonly name: string;
	readonly ordinal: number | null;
	/** Builds on it and on their way to it. */
	readonly builds: number;
}

/** Chooses among daemons that all have room; undefined when there is none. `key` is whose build it is. Pure. */
type BalancePolicy = <C extends Candidate>(candidates: readonly C[], key: string) => C | undefined;

export const policyNames = ["pack", "leastBuilds", "affinity"] as const;
export type PolicyName = (typeof policyNames)[number];

/**
 * Lowest ordinal first, so that the high ones become idle: a StatefulSet gives up its highest ordinal, never one in
 * the middle. Daemons without an order are packed by load: the fullest first, then by name.
 */
const pack = first((a, b) => {
	if (a.ordinal !== null && b.ordinal !== null && a.ordinal !== b.ordinal) return a.ordinal < b.ordinal;
	if (a.builds !== b.builds) return a.builds > b.builds;
	return a.name < b.name;
});

/** The emptiest first: builds disturb each other least, and all daemons stay until the last build is over. */
const leastBuilds = first((a, b) => {
	if (a.builds !== b.builds) return a.builds < b.builds;
	if (a.ordinal !== null && b.ordinal !== null && a.ordinal !== b.ordinal) return a.ordinal < b.ordinal;
	return a.name < b.name;
});

/**
 * The same key on the same daemon, whose cache is warm for it. A daemon without room is passed over for the next in the
 * key's own order, so its capacity bounds the load that a popular key puts on it.
 */
const affinity = first((a, b, key) => {
	const [weightA, weightB] = [weight(key, a.name), weight(key, b.name)];
	if (weightA !== weightB) return weightA > weightB;
	return a.name < b.name;
});

export const policies: Readonly<Record<PolicyName, BalancePolicy>> = { pack, leastBuilds, affinity };

function first(comesBefore: (a: Candidate, b: Candidate, key: string) => boolean): BalancePolicy {
	return ([head, ...others], key) =>
		head === undefined
			? undefined
			: others.reduce((best, candidate) => (comesBefore(candidate, best, key) ? candidate : best), head);
}
