/** A figure that was agreed on. */
export type Threshold = {
	readonly what: string;
	readonly value: number;
} & ({ readonly atLeast: number } | { readonly atMost: number });

export function isMet(threshold: Threshold): boolean {
	// A figure that could not be measured meets nothing: no comparison with NaN is true.
	return "atLeast" in threshold ? threshold.value >= threshold.atLeast : threshold.value <= threshold.atMost;
}

export function verdict(threshold: Threshold): string {
	const bound = "atLeast" in threshold ? `>= ${threshold.atLeast}` : `<= ${threshold.atMost}`;
	return `${isMet(threshold) ? "PASS" : "MISS"}  ${threshold.what} = ${threshold.value.toFixed(3)}, must be ${bound}\n`;
}
