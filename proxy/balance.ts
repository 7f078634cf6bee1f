/** A daemon with room, as a balancing policy sees it. */
interface Candidate {
	readonly name: string;
	readonly ordinal: number | null;
	/** Builds on it and on their way to it. */
	readonly builds: number;
}

/** Chooses among daemons that all have room; undefined when there is none. Pure. */
export type BalancePolicy = <C extends Candidate>(candidates: readonly C[]) => C | undefined;

/**
 * Lowest ordinal first, so that the high ones become idle: a StatefulSet gives up its highest ordinal, never one in
 * the middle. Daemons without an order are packed by load: the fullest first, then by name.
 */
export const pack: BalancePolicy = (candidates) => {
	const [first, ...others] = candidates;
	return first === undefined
		? undefined
		: others.reduce((best, c) => (comesBefore(c, best) ? c : best), first);
};

function comesBefore(a: Candidate, b: Candidate): boolean {
	if (a.ordinal !== null && b.ordinal !== null && a.ordinal !== b.ordinal) return a.ordinal < b.ordinal;
	if (a.builds !== b.builds) return a.builds > b.builds;
	return a.name < b.name;
}
