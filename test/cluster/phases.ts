/** One line on stderr. */
export function say(text: string): void {
	process.stderr.write(`cluster: ${text}\n`);
}

/** Runs a step and prints how long it took: `cluster: apiserver 2.1 s`. */
export async function phase<T>(name: string, work: () => Promise<T>): Promise<T> {
	const start = performance.now();
	const result = await work();
	say(`${name} ${secondsSince(start)}`);
	return result;
}

export function secondsSince(start: number): string {
	return `${((performance.now() - start) / 1000).toFixed(1)} s`;
}
