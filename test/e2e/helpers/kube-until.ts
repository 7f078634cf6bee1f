import { setTimeout as sleep } from "node:timers/promises";

const RETRY_MS = 50;

/** Resolves once `check`, asked again and again, holds; what it throws counts as not yet. */
export async function until(what: string, timeoutMs: number, check: () => Promise<boolean>): Promise<void> {
	const deadline = performance.now() + timeoutMs;
	let trouble = "";
	while (performance.now() < deadline) {
		try {
			if (await check()) return;
			trouble = "";
		} catch (error) {
			trouble = `: ${error}`;
		}
		await sleep(RETRY_MS);
	}
	throw new Error(`${what}: not after ${timeoutMs / 1000} s${trouble}`);
}
