import { Listeners } from "../../common/listeners.ts";
import type { Bus, BusStatus } from "../../events/bus.ts";
import type { DrainRequest } from "../../events/drain-request.ts";
import type { PoolEvent } from "../../events/schema.ts";
import type { Carried } from "./client.ts";
import type { Random } from "./random.ts";
import type { SimTime } from "./sim-time.ts";

/** How likely it is that a message is lost, comes twice, or takes up to `slowMs`. */
export interface MessageFaults {
	readonly loss: number;
	readonly duplicate: number;
	readonly slow: number;
	readonly slowMs: number;
}

/** An event on its way, with what was true when it was sent. */
export interface Message {
	readonly event: PoolEvent;
	readonly carried: readonly Carried[];
}

/** The bus between processes. Each message finds its own way to each of them, or does not. */
export class Network {
	/** Share of messages that are lost beside `MessageFaults.loss`, for now. */
	storm = 0;
	readonly #time: SimTime;
	readonly #random: Random;
	readonly #faults: MessageFaults;
	readonly #ends = new Set<BusEnd>();
	/** Who is cut off, and whether from everything. */
	readonly #cut = new Map<string, boolean>();
	readonly #links = new Map<string, Random>();

	constructor(time: SimTime, random: Random, faults: MessageFaults) {
		this.#time = time;
		this.#random = random;
		this.#faults = faults;
	}

	/** A process connects. `carried` is what it truly has. */
	join(name: string, carried: () => readonly Carried[] = () => []): BusEnd {
		const end = new BusEnd(name, this, carried, !this.#cut.has(name));
		this.#ends.add(end);
		return end;
	}

	leave(end: BusEnd): void {
		this.#ends.delete(end);
	}

	/** Nothing reaches or leaves the process from now on, which it notices after a while. */
	cut(name: string, noticedAfterMs: number, whole: boolean): void {
		this.#cut.set(name, whole);
		this.#time.after(noticedAfterMs, () => {
			if (this.#cut.has(name)) for (const end of this.#of(name)) end.become(false);
		});
	}

	/** Whether two processes can speak without the bus. */
	reaches(from: string, to: string): boolean {
		return this.#cut.get(from) !== true && this.#cut.get(to) !== true;
	}

	heal(name: string): void {
		if (!this.#cut.delete(name)) return;
		this.#time.after(this.#link(name, "").magnitude(20, 2_000), () => {
			if (!this.#cut.has(name)) for (const end of this.#of(name)) end.become(true);
		});
	}

	healAll(): void {
		this.storm = 0;
		for (const name of [...this.#cut.keys()]) this.heal(name);
	}

	send(from: BusEnd, deliver: (to: BusEnd) => void): void {
		if (this.#cut.has(from.name)) return;
		const { loss, duplicate, slow, slowMs } = this.#faults;
		for (const to of this.#ends) {
			const link = this.#link(from.name, to.name);
			for (let copies = link.chance(duplicate) ? 2 : 1; copies > 0; copies--) {
				const isLost = link.chance(loss) || link.chance(this.storm);
				const delayMs = link.chance(slow) ? link.magnitude(10, slowMs) : link.magnitude(1, 10);
				if (isLost) continue;
				this.#time.after(delayMs, () => {
					if (this.#ends.has(to) && !this.#cut.has(to.name)) deliver(to);
				});
			}
		}
	}

	#of(name: string): BusEnd[] {
		return [...this.#ends].filter((end) => end.name === name);
	}

	#link(from: string, to: string): Random {
		const label = `${from}>${to}`;
		const known = this.#links.get(label);
		if (known !== undefined) return known;
		const random = this.#random.fork(label);
		this.#links.set(label, random);
		return random;
	}
}

/** The bus as one process sees it. */
export class BusEnd implements Bus {
	readonly name: string;
	readonly #network: Network;
	readonly #carried: () => readonly Carried[];
	#status: BusStatus;
	readonly #statusChanged = new Listeners<[BusStatus]>();
	readonly #messages = new Listeners<[Message]>();
	readonly #asks = new Listeners<[]>();
	readonly #drains = new Listeners<[DrainRequest]>();

	constructor(name: string, network: Network, carried: () => readonly Carried[], connected: boolean) {
		this.name = name;
		this.#network = network;
		this.#carried = carried;
		this.#status = statusOf(connected);
	}

	get status(): BusStatus {
		return this.#status;
	}

	become(connected: boolean): void {
		if ((this.#status.t === "connected") === connected) return;
		this.#status = statusOf(connected);
		this.#statusChanged.emit(this.#status);
	}

	onStatus(listener: (status: BusStatus) => void): () => void {
		return this.#statusChanged.add(listener);
	}

	publish(event: PoolEvent): void {
		if (this.#status.t !== "connected") return;
		const message = { event, carried: this.#carried() };
		this.#network.send(this, (to) => to.#messages.emit(message));
	}

	subscribe(listener: (event: PoolEvent) => void): () => void {
		return this.#messages.add(({ event }) => listener(event));
	}

	/** As `subscribe`, with what only the simulation knows. */
	onMessage(listener: (message: Message) => void): () => void {
		return this.#messages.add(listener);
	}

	askForStates(): void {
		if (this.#status.t === "connected") this.#network.send(this, (to) => to.#asks.emit());
	}

	onAskForStates(listener: () => void): () => void {
		return this.#asks.add(listener);
	}

	askToDrain(request: DrainRequest): void {
		if (this.#status.t === "connected") this.#network.send(this, (to) => to.#drains.emit(request));
	}

	onAskToDrain(listener: (request: DrainRequest) => void): () => void {
		return this.#drains.add(listener);
	}

	async close(): Promise<void> {
		this.kill();
	}

	/** The process is gone; what it sent is still on its way. */
	kill(): void {
		this.#network.leave(this);
	}
}

function statusOf(connected: boolean): BusStatus {
	return connected ? { t: "connected" } : { t: "disconnected", reason: "cut" };
}
