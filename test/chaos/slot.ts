import type { Instance } from "./instance.ts";

export interface SlotDeps {
	/** proxy-0: the id of its first instance. */
	readonly name: string;
	readonly start: (id: string, host: string) => Instance;
	readonly nextHost: () => string;
	/** An instance ended, and nobody had asked for that. */
	readonly failed: (what: string) => void;
}

/** One replica of a Deployment: a process that is replaced whenever it goes. */
export class Slot {
	readonly name: string;
	readonly #deps: SlotDeps;
	readonly #stopping = new Set<Instance>();
	#current: Instance | undefined;
	#renames = 0;
	#closed = false;

	constructor(deps: SlotDeps) {
		this.name = deps.name;
		this.#deps = deps;
		this.#begin(deps.name, deps.nextHost());
	}

	/** The one that takes clients; undefined while it is replaced. */
	get current(): Instance | undefined {
		return this.#current;
	}

	/** With those that still have builds to end. */
	get instances(): readonly Instance[] {
		return [...this.#stopping, ...(this.#current === undefined ? [] : [this.#current])];
	}

	/** kill -9, and another one after `downMs`. Resolves when that has been started. */
	async kill(instance: Instance, { downMs, renamed }: { downMs: number; renamed: boolean }): Promise<void> {
		const isCurrent = instance === this.#current;
		if (isCurrent) this.#current = undefined;
		await instance.kill();
		if (!isCurrent) return;
		await new Promise((resolve) => setTimeout(resolve, downMs));
		if (renamed) this.#rename();
		else this.#begin(instance.id, instance.host);
	}

	/** SIGTERM, and another one beside it or when it has ended. Resolves when it has. */
	async stop(instance: Instance, how: "restart" | "rollout"): Promise<void> {
		this.#stopping.add(instance);
		this.#current = undefined;
		const stopped = instance.stop();
		if (how === "rollout") this.#rename();
		await stopped;
		this.#stopping.delete(instance);
		// It may have been killed meanwhile, which is a fault of its own.
		const { exitCode, signalCode } = instance.process.child;
		if (exitCode !== 0 && signalCode !== "SIGKILL") {
			this.#deps.failed(`${instance.id} ended with exit code ${exitCode} (${signalCode})`);
		}
		if (how === "restart") this.#begin(instance.id, instance.host);
	}

	/** Ends everything for good; resolves with what did not end in good order. */
	async end(withinMs: number): Promise<string[]> {
		this.#closed = true;
		const wrong: string[] = [];
		const instances = this.instances;
		this.#current = undefined;
		for (const instance of instances) {
			const late = setTimeout(() => {
				wrong.push(`${instance.id} did not end within ${withinMs / 1_000} s of SIGTERM`);
				void instance.kill();
			}, withinMs);
			await instance.stop();
			clearTimeout(late);
			const { exitCode, signalCode } = instance.process.child;
			if (exitCode !== 0) wrong.push(`${instance.id} ended with exit code ${exitCode} (${signalCode})`);
		}
		return wrong;
	}

	/** Kills everything for good. */
	async close(): Promise<void> {
		this.#closed = true;
		const { instances } = this;
		this.#current = undefined;
		await Promise.all(instances.map((instance) => instance.kill()));
	}

	#rename(): void {
		this.#begin(`${this.name}-${++this.#renames}`, this.#deps.nextHost());
	}

	#begin(id: string, host: string): void {
		if (this.#closed) return;
		const instance = this.#deps.start(id, host);
		this.#current = instance;
		void instance.exited.then(() => {
			if (this.#current !== instance) return;
			this.#current = undefined;
			this.#deps.failed(`${id} ended by itself:\n${instance.process.output.slice(-2_000)}`);
		});
	}
}
