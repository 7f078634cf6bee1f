import { startNatsServer } from "../helpers/nats-server.ts";
import type { Instance } from "./instance.ts";
import type { Link, Passage } from "./link.ts";
import type { Pod } from "./pod.ts";
import type { Fault } from "./schedule.ts";
import type { Slot } from "./slot.ts";
import type { World } from "./world.ts";

/** From the end of a freeze until the same process may be frozen again: BuildKit's health check must get through. */
const thawedMs = 6_000;
/** Instances of a slot that end their builds at once. */
const maxStopping = 2;

interface Struck {
	readonly whom: string;
	/** Resolves when it is undone. */
	readonly over: Promise<void>;
}

/** Does what the schedule says to the world. */
export class Saboteur {
	readonly #world: World;
	/** What is still to be undone. */
	readonly #underWay = new Set<Promise<void>>();
	readonly #thawedAt = new WeakMap<Instance | Pod, number>();
	/** Not before its links are open again is NATS, or a link, to be attacked once more. */
	readonly #busy = new Set<string>();

	constructor(world: World) {
		this.#world = world;
	}

	/** Resolves when every fault is over. */
	async healed(): Promise<void> {
		while (this.#underWay.size > 0) await Promise.all(this.#underWay);
	}

	/** False when there is nobody whom it could happen to. */
	strike(fault: Fault): boolean {
		const struck = this.#apply(fault);
		if (struck === undefined) return false;
		const { t, ...details } = fault;
		this.#world.timeline.mark(`FAULT ${t} ${struck.whom} ${JSON.stringify(details)}`);
		const underWay = struck.over.catch((error: unknown) => this.#world.violate(`${t}: ${error}`));
		this.#underWay.add(underWay);
		void underWay.then(() => this.#underWay.delete(underWay));
		return true;
	}

	#apply(fault: Fault): Struck | undefined {
		const world = this.#world;
		switch (fault.t) {
			case "killProxy": {
				const found = choose(expendable(world.proxies), fault.who);
				if (found === undefined) return undefined;
				return { whom: found.instance.id, over: this.#killProxy(found, fault) };
			}
			case "stopProxy":
				return this.#stop(choose(serving(world.proxies), fault.who), fault.how);
			case "stopScaler":
				return this.#stop(choose(serving(world.scalers), fault.who), "restart");
			case "freezeProxy":
				return this.#freezeInstance(expendable(world.proxies), fault);
			case "freezeScaler":
				return this.#freezeInstance(instancesOf(world.scalers), fault);
			case "killScaler": {
				const found = choose(instancesOf(world.scalers), fault.who);
				if (found === undefined) return undefined;
				const { slot, instance } = found;
				return { whom: instance.id, over: slot.kill(instance, { downMs: fault.downMs, renamed: false }) };
			}
			case "killBothScalers": {
				const all = serving(world.scalers);
				if (all.length < 2) return undefined;
				const how = { downMs: fault.downMs, renamed: false };
				const over = Promise.all(all.map(({ slot, instance }) => slot.kill(instance, how)));
				return { whom: "", over: over.then(() => {}) };
			}
			case "killDaemon": {
				const pod = choose(
					world.set.pods.filter(({ hasProcess }) => hasProcess),
					fault.who,
				);
				return pod && { whom: pod.name, over: this.#killDaemon(pod, fault.downMs) };
			}
			case "freezeDaemon": {
				const able = world.set.pods.filter((pod) => pod.hasProcess && this.#canFreeze(pod));
				const pod = choose(able, fault.who);
				return pod && { whom: pod.name, over: this.#freeze(pod, fault.forMs) };
			}
			case "evictDaemon": {
				const able = world.set.pods.filter(({ state }) => state === "running" || state === "crashed");
				const pod = choose(able, fault.who);
				pod?.delete();
				return pod && { whom: pod.name, over: Promise.resolve() };
			}
			case "scaleDown": {
				const { replicas } = world.set;
				if (replicas === 0) return undefined;
				const to = Math.floor(replicas * fault.share);
				world.set.scale(to);
				return { whom: `${replicas} -> ${to}`, over: Promise.resolve() };
			}
			case "scaleUp": {
				const { replicas } = world.set;
				world.set.scale(replicas + fault.more);
				if (world.set.replicas === replicas) return undefined;
				return { whom: `${replicas} -> ${world.set.replicas}`, over: Promise.resolve() };
			}
			case "cutFromNats": {
				const name = this.#freeLink(world.links.keys(), fault.who);
				if (name === undefined) return undefined;
				return { whom: name, over: this.#disturb([name], fault.how, fault.forMs) };
			}
			case "cutProxy": {
				const names = world.proxies.map(({ name }) => name);
				const one = fault.who === "all" ? undefined : this.#freeLink(names, fault.who);
				const slots = world.proxies.filter(({ name }) => one === undefined || name === one);
				if (slots.some(({ name }) => this.#busy.has(name))) return undefined;
				const instances = slots.flatMap((slot) => slot.instances);
				const admin = instances.flatMap((instance) => world.adminLinks.get(instance) ?? []);
				const cut = slots.map(({ name }) => name);
				return { whom: cut.join(" "), over: this.#disturb(cut, fault.how, fault.forMs, admin) };
			}
			case "slowNats": {
				const name = fault.who === "all" ? undefined : this.#freeLink(world.links.keys(), fault.who);
				const names = [...world.links.keys()].filter((link) => name === undefined || link === name);
				if (names.some((link) => this.#busy.has(link))) return undefined;
				const slow = { delayMs: fault.delayMs };
				return { whom: names.join(" "), over: this.#disturb(names, slow, fault.forMs) };
			}
			case "restartNats":
				if (this.#busy.has("nats")) return undefined;
				return { whom: "", over: this.#alone(["nats"], () => this.#restartNats(fault.downMs)) };
			case "freezeNats": {
				if (this.#busy.has("nats")) return undefined;
				const { nats } = world;
				nats.freeze();
				const over = this.#alone(["nats"], () => pause(fault.forMs).then(() => nats.thaw()));
				return { whom: "", over };
			}
			case "restartKeda":
				world.keda.restart();
				return { whom: "", over: Promise.resolve() };
			case "stallEndpoints": {
				const slot = choose(
					world.proxies.filter(({ name }) => !this.#busy.has(`endpoints of ${name}`)),
					fault.who,
				);
				if (slot === undefined) return undefined;
				const { name } = slot;
				world.api.stall(name);
				const over = this.#alone([`endpoints of ${name}`], () =>
					pause(fault.forMs).then(() => world.api.resume(name)),
				);
				return { whom: name, over };
			}
			case "killClient": {
				const build = choose([...world.building], fault.who);
				if (build === undefined) return undefined;
				const from = performance.now();
				world.casualties.push({ t: "client", build, from, until: from });
				build.kill();
				return { whom: `build ${build.number}`, over: Promise.resolve() };
			}
		}
	}

	async #killProxy(
		{ slot, instance }: Found,
		how: { readonly downMs: number; readonly renamed: boolean },
	): Promise<void> {
		const from = performance.now();
		const replaced = slot.kill(instance, how);
		await instance.exited;
		this.#world.casualties.push({ t: "proxy", instance, from, until: performance.now() });
		await replaced;
	}

	async #killDaemon(pod: Pod, downMs: number): Promise<void> {
		const from = performance.now();
		await pod.crash(downMs);
		this.#world.casualties.push({ t: "daemon", name: pod.name, from, until: performance.now() });
	}

	#stop(found: Found | undefined, how: "restart" | "rollout"): Struck | undefined {
		if (found === undefined || found.slot.instances.length > maxStopping) return undefined;
		const { slot, instance } = found;
		return { whom: instance.id, over: slot.stop(instance, how) };
	}

	#freezeInstance(
		found: readonly Found[],
		{ who, forMs }: { readonly who: number; readonly forMs: number },
	): Struck | undefined {
		const able = found.filter(({ instance }) => this.#canFreeze(instance));
		const instance = choose(able, who)?.instance;
		return instance && { whom: instance.id, over: this.#freeze(instance, forMs) };
	}

	#canFreeze(whom: Instance | Pod): boolean {
		const thawedAt = this.#thawedAt.get(whom) ?? Number.NEGATIVE_INFINITY;
		return !whom.isFrozen && thawedAt + thawedMs < performance.now();
	}

	async #freeze(whom: Instance | Pod, forMs: number): Promise<void> {
		whom.freeze();
		await pause(forMs);
		whom.thaw();
		this.#thawedAt.set(whom, performance.now());
	}

	#freeLink(names: Iterable<string>, who: number): string | undefined {
		return choose(
			[...names].filter((name) => !this.#busy.has(name)),
			who,
		);
	}

	/** @param others - Links that share the fate of those by name. */
	#disturb(
		names: readonly string[],
		passage: "silent" | "reset" | { readonly delayMs: number },
		forMs: number,
		others: readonly Link[] = [],
	): Promise<void> {
		const links = [...names.flatMap((name) => this.#world.links.get(name)?.link ?? []), ...others];
		const become = (passed: Passage) => {
			for (const link of links) link.passage = passed;
		};
		become(passage);
		return this.#alone(names, () => pause(forMs).then(() => become("open")));
	}

	async #restartNats(downMs: number): Promise<void> {
		const { port } = this.#world.nats;
		await this.#world.nats.kill();
		await pause(downMs);
		if (this.#world.isClosed) return;
		this.#world.nats = await startNatsServer(port);
	}

	async #alone(names: readonly string[], work: () => Promise<void>): Promise<void> {
		for (const name of names) this.#busy.add(name);
		await work();
		for (const name of names) this.#busy.delete(name);
	}
}

interface Found {
	readonly slot: Slot;
	readonly instance: Instance;
}

function instancesOf(slots: readonly Slot[]): Found[] {
	return slots.flatMap((slot) => slot.instances.map((instance) => ({ slot, instance })));
}

/** Those that take clients; where there is but one it is left in peace. */
function serving(slots: readonly Slot[]): Found[] {
	const found = slots.flatMap((slot) => {
		const { current } = slot;
		return current?.isReady === true && !current.isFrozen ? [{ slot, instance: current }] : [];
	});
	return found.length > 1 ? found : [];
}

/** Of the proxies those whose loss leaves one that takes clients, who are not to wait at a Service without anybody. */
function expendable(slots: readonly Slot[]): Found[] {
	const able = serving(slots).map(({ instance }) => instance);
	return instancesOf(slots).filter(({ slot, instance }) => slot.current !== instance || able.length > 1);
}

function choose<T>(items: readonly T[], number: number): T | undefined {
	return items[number % items.length];
}

function pause(ms: number): Promise<void> {
	return new Promise((resolve) => setTimeout(resolve, ms));
}
