const STEP_MS = 10_000;

/** One line on stderr: stdout belongs to the command that `npm start` runs next. */
export function say(text: string): void {
	process.stderr.write(`tools: ${text}\n`);
}

/** Says what starts, and every ten seconds that it still runs; gives the work's result. */
export async function withProgress<T>(what: string, hint: string, work: () => Promise<T>): Promise<T> {
	const start = performance.now();
	say(hint === "" ? `${what} …` : `${what}, ${hint} …`);
	const timer = setInterval(() => say(`still ${what}: ${elapsed(start)}`), STEP_MS);
	try {
		return await work();
	} finally {
		clearInterval(timer);
	}
}

export function elapsed(start: number): string {
	return `${((performance.now() - start) / 1000).toFixed(0)} s`;
}
