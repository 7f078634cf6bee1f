import type { Snapshot } from "../../events/schema.ts";
import type { Carried } from "./client.ts";
import type { BusEnd } from "./network.ts";
import type { SimTime } from "./sim-time.ts";
import type { DecisionBasis } from "./workload.ts";

interface Word {
	readonly incarnation: number;
	readonly sequence: number;
	/** undefined after a goodbye. */
	readonly carried: readonly Carried[] | undefined;
	/** Where its daemons listen. */
	readonly hosts: readonly string[];
	readonly at: number;
}

/**
 * What a scaler was told, kept without any of the product's code: the newest message of each proxy that reached it, and
 * what was true when that was sent. The laws hold the scaler against it.
 */
export class Heard {
	readonly #time: SimTime;
	readonly #absentAfterMs: number;
	readonly #words = new Map<string, Word>();

	constructor(bus: BusEnd, time: SimTime, absentAfterMs: number) {
		this.#time = time;
		this.#absentAfterMs = absentAfterMs;
		bus.onMessage(({ event, carried }) => {
			this.hear(event.snapshot, carried, event.type === "proxy.stopped");
		});
	}

	/** Builds that run or wait now, and were known to their proxy when it was heard last. */
	builds(): Carried[] {
		const since = this.#time.now - this.#absentAfterMs;
		const builds: Carried[] = [];
		for (const { carried, at } of this.#words.values()) {
			if (carried === undefined || at <= since) continue;
			for (const { client, wire, pod } of carried) {
				if (client.isOn(wire)) builds.push({ client, wire, pod: client.pod === pod ? pod : undefined });
			}
		}
		return builds;
	}

	/** When this proxy was heard last. */
	heardAt(proxy: string): number | undefined {
		return this.#words.get(proxy)?.at;
	}

	/** Whether some proxy has told of a daemon at this address. */
	knows(host: string): boolean {
		for (const { carried, hosts } of this.#words.values()) {
			if (carried !== undefined && hosts.includes(host)) return true;
		}
		return false;
	}

	basis(): DecisionBasis {
		const known = new Map<number, Set<number>>();
		for (const { client, pod } of this.builds()) {
			if (pod === undefined) continue;
			const builds = known.get(pod.number) ?? new Set();
			known.set(pod.number, builds.add(client.number));
		}
		return { at: this.#time.now, known };
	}

	hear(snapshot: Snapshot, carried: readonly Carried[], isGoodbye = false): void {
		const { proxy, incarnation, sequence, daemons } = snapshot;
		const known = this.#words.get(proxy);
		if (known !== undefined && !isNewer({ incarnation, sequence }, known)) return;
		this.#words.set(proxy, {
			incarnation,
			sequence,
			carried: isGoodbye ? undefined : carried,
			hosts: daemons.map(({ address = "" }) => address.slice(0, address.lastIndexOf(":"))),
			at: this.#time.now,
		});
	}
}

function isNewer(word: Pick<Word, "incarnation" | "sequence">, than: Word): boolean {
	if (word.incarnation !== than.incarnation) return word.incarnation > than.incarnation;
	return than.carried !== undefined && word.sequence > than.sequence;
}
