/** Resolves when many turns of the event loop in a row have not moved the count: nothing more fits in any buffer. */
export async function untilStalled(count: () => number): Promise<void> {
	let quietTurns = 0;
	for (let before = count(); quietTurns < 1_000; before = count()) {
		await new Promise((resolve) => setImmediate(resolve));
		quietTurns = count() === before ? quietTurns + 1 : 0;
	}
}
