import type { Clock } from "../../common/clock.ts";
import type { Expected, ProxyPod } from "../../scaler/expected/expected.ts";
import type { ProxyPods } from "../../scaler/second-path/second-path.ts";
import type { World } from "./world.ts";

/** What a scaler sees of the EndpointSlices of the proxies' Service, a while after it became true. */
export class ProxyView implements ProxyPods {
	readonly #world: World;
	readonly #clock: Clock;
	readonly #lagMs: number;
	readonly #startedAt: number;
	/** By admin address. */
	readonly #emptyAt = new Map<string, number>();

	constructor(world: World, clock: Clock, lagMs: number) {
		this.#world = world;
		this.#clock = clock;
		this.#lagMs = lagMs;
		this.#startedAt = world.time.now;
	}

	get expected(): Expected {
		if (this.#world.time.now < this.#startedAt + this.#lagMs)
			return { t: "unlisted", why: "the API has not answered yet" };
		return { t: "listed", proxies: this.pods, current: true };
	}

	get pods(): readonly ProxyPod[] {
		const { now } = this.#world.time;
		const pods = new Map<string, ProxyPod>();
		for (const { name, startedAt, goneAt = now, isRunning } of this.#world.proxies) {
			const since = Math.max(startedAt, this.#startedAt) + this.#lagMs;
			if (now < since || now > goneAt + this.#lagMs || pods.has(name)) continue;
			const listedAt = this.#clock.now() - (now - since);
			const emptyAt = this.#emptyAt.get(name);
			pods.set(name, { t: "pod", name, admin: name, terminating: !isRunning, listedAt, emptyAt });
		}
		return [...pods.values()];
	}

	foundEmpty(admin: string): void {
		this.#emptyAt.set(admin, this.#clock.now());
	}
}
