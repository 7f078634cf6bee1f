/** What must be undone whichever way the bench ends, in reverse order. */
export class Cleanup {
	readonly #steps: (() => Promise<void> | void)[] = [];

	add(step: () => Promise<void> | void): void {
		this.#steps.push(step);
	}

	/** Steps that a part of the work undoes itself when it ends, and else we do. */
	nested(): Cleanup {
		const inner = new Cleanup();
		this.add(() => inner.run());
		return inner;
	}

	/** One failing step does not keep the others from running. */
	async run(): Promise<void> {
		for (let step = this.#steps.pop(); step !== undefined; step = this.#steps.pop()) {
			try {
				await step();
			} catch (error) {
				process.stderr.write(`bench: while cleaning up: ${error instanceof Error ? error.message : error}\n`);
			}
		}
	}
}
