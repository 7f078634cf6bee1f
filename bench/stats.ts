/** The q-quantile (0..1) by linear interpolation between the two nearest samples. */
export function quantile(samples: readonly number[], q: number): number {
	const sorted = samples.toSorted((a, b) => a - b);
	const at = (sorted.length - 1) * q;
	const below = sorted[Math.floor(at)];
	const above = sorted[Math.ceil(at)];
	if (below === undefined || above === undefined) return Number.NaN;
	return below + (above - below) * (at - Math.floor(at));
}

export function median(samples: readonly number[]): number {
	return quantile(samples, 0.5);
}

/**
 * Median of the rounds' own ratios a/b. Noise that lasts longer than a round hits both alike and cancels out, which
 * it does not in a ratio of medians.
 */
export function pairedRatio(a: readonly number[], b: readonly number[]): number {
	const ratios = a.flatMap((value, round) => {
		const other = b[round];
		return other === undefined ? [] : [value / other];
	});
	return median(ratios);
}
