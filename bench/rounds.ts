import { cpuSeconds } from "./cpu-time.ts";
import type { Route } from "./routes/route.ts";

/** A run over one route, and the CPU seconds that the route's proxy used for it. */
type Measured<T> = T & { readonly cpuSeconds: number };

/**
 * Runs every route once per round, one after the other, so that what else the machine does hits them alike. The
 * first round warms up and is not counted.
 */
export async function interleave<T>(
	routes: readonly Route[],
	rounds: number,
	run: (route: Route) => Promise<T>,
): Promise<Map<Route, Measured<T>[]>> {
	const samples = new Map(routes.map((route) => [route, [] as Measured<T>[]]));
	for (let round = 0; round <= rounds; round++) {
		for (const [route, counted] of samples) {
			const before = route.pid === undefined ? 0 : cpuSeconds(route.pid);
			const sample = await run(route);
			const used = route.pid === undefined ? 0 : cpuSeconds(route.pid) - before;
			if (round > 0) counted.push({ ...sample, cpuSeconds: used });
		}
	}
	return samples;
}
