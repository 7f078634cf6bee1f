/** A ratio that was agreed on. */
export interface Threshold {
	readonly what: string;
	readonly ratio: number;
	readonly atLeast: number;
}

export function isMet({ ratio, atLeast }: Threshold): boolean {
	return ratio >= atLeast;
}

export function verdict(threshold: Threshold): string {
	const { what, ratio, atLeast } = threshold;
	return `${isMet(threshold) ? "PASS" : "MISS"}  ${what} = ${ratio.toFixed(3)}, must be >= ${atLeast.toFixed(2)}\n`;
}
