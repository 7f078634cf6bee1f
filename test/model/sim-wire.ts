import type { Wire, WireEvents } from "../../proxy/wire/wire.ts";
import type { SimTime } from "./sim-time.ts";

/** How often a build says something in each direction (BuildKit's session health check). */
const talkEveryMs = 5_000;

/** What the far side of a wire hears of the proxy. */
export interface FarSide {
	written(bytes: Uint8Array): void;
	/** The proxy has ended or destroyed its side. Called once. */
	closed(): void;
}

/** A proxy's wire without a socket. The far side, a client or a daemon, is told what the proxy does with it. */
export class SimWire implements Wire {
	readonly pendingBytes = 0;
	far: FarSide | undefined;
	readonly #time: SimTime;
	#events: WireEvents | undefined;
	#bytesRead = 0;
	#talksSince: number | undefined;
	#open = true;
	#farTold = false;

	constructor(time: SimTime) {
		this.#time = time;
	}

	get bytesRead(): number {
		return this.#bytesRead + this.#talked();
	}

	get isOpen(): boolean {
		return this.#open;
	}

	attach(events: WireEvents): void {
		this.#events = events;
	}

	ownBuffer(): void {}

	join(): void {}

	write(bytes: Uint8Array): void {
		if (this.#open && bytes.length > 0) this.far?.written(bytes);
	}

	forward(bytes: Buffer): boolean {
		this.write(bytes);
		return true;
	}

	resume(): void {}

	end(): void {
		this.#tellFar();
	}

	destroy(): void {
		this.#open = false;
		this.#tellFar();
	}

	/** The far side says something. */
	say(bytes: Buffer): void {
		if (!this.#open) return;
		this.#bytesRead += bytes.length;
		this.#events?.onBytes(bytes);
	}

	/** From now on the far side says a little all the time, or nothing. */
	talk(talks: boolean): void {
		this.#bytesRead += this.#talked();
		this.#talksSince = talks ? this.#time.now : undefined;
	}

	/** The far side ends the connection, in peace or not. */
	hangUp(error?: Error): void {
		if (!this.#open) return;
		this.talk(false);
		this.#farTold = true;
		if (error === undefined) this.#events?.onEnd();
		if (!this.#open) return;
		this.#open = false;
		this.#events?.onClose(error);
	}

	/** The process that has this wire is dead: it hears and says nothing any more. */
	kill(): void {
		this.#events = undefined;
		this.destroy();
	}

	#talked(): number {
		return this.#talksSince === undefined
			? 0
			: Math.floor((this.#time.now - this.#talksSince) / talkEveryMs) + 1;
	}

	#tellFar(): void {
		if (this.#farTold) return;
		this.#farTold = true;
		this.far?.closed();
	}
}
