import { median } from "./stats.ts";

/** A spread of the direct route beyond this is the machine's doing, and as large as what is to be found out. */
const quietSpread = 0.25;

/** A warning when the machine was too busy for the ratios to mean much; empty when it was quiet. */
export function noiseWarning(direct: readonly number[]): string {
	const spread = (Math.max(...direct) - Math.min(...direct)) / median(direct);
	if (spread <= quietSpread) return "";
	const percent = Math.round(spread * 100);
	return `NOISY the direct route alone varies by ${percent}% of its median: repeat on a quiet machine or with more runs\n`;
}
