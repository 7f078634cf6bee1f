/** Promises of things that will be true one day, looked at again after each change. */
export class Conditions {
	readonly #pending = new Set<() => boolean>();

	/** Resolves as soon as `isTrue` holds, which may be now. */
	when(isTrue: () => boolean): Promise<void> {
		return new Promise((resolve) => {
			const check = () => {
				const holds = isTrue();
				if (holds) resolve();
				return holds;
			};
			if (!check()) this.#pending.add(check);
		});
	}

	/** Something changed. */
	recheck(): void {
		for (const check of this.#pending) if (check()) this.#pending.delete(check);
	}
}
