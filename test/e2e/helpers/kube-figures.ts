/** The median and the largest of some times, in whole ms. */
export function figures(times: readonly number[]): { readonly p50: number; readonly max: number } {
	const sorted = times.toSorted((a, b) => a - b);
	return {
		p50: Math.round(sorted[Math.floor(sorted.length / 2)] ?? Number.NaN),
		max: Math.round(sorted.at(-1) ?? Number.NaN),
	};
}
