import { status } from "@grpc/grpc-js";
import type { Clock } from "../../common/clock.ts";
import type { ActivityStream } from "../../local/push-stream.ts";
import type { IsActiveResponse } from "../../protos/external-scaler.ts";
import type { Pushed } from "../../scaler/push.ts";
import type { ScalerProcess } from "./scaler-process.ts";

interface Status {
	readonly code: number;
	readonly details: string;
}

/** One StreamIsActive between KEDA and a scaler, with time on its way. */
export class KedaStream implements ActivityStream {
	readonly #clock: Clock;
	readonly #wayMs: () => number;
	readonly #onData: ((message: IsActiveResponse) => void)[] = [];
	readonly #onStatus: ((status: Status) => void)[] = [];
	readonly #scaler: ScalerProcess | undefined;
	#free: (() => void) | undefined;
	#delivering = false;
	#cancelled = false;

	constructor(clock: Clock, wayMs: () => number, scaler: ScalerProcess | undefined) {
		this.#clock = clock;
		this.#wayMs = wayMs;
		this.#scaler = scaler;
		clock.after(wayMs(), () => this.#arrived());
	}

	on(event: "data", listener: (message: IsActiveResponse) => void): unknown;
	on(event: "error", listener: (error: Error) => void): unknown;
	on(event: "status", listener: (status: Status) => void): unknown;
	on(event: "data" | "error" | "status", listener: (value: never) => void): unknown {
		if (event === "data") this.#onData.push(listener as (message: IsActiveResponse) => void);
		if (event === "status") this.#onStatus.push(listener as (status: Status) => void);
		return this;
	}

	/** Also when KEDA itself is gone. */
	cancel(): void {
		this.#cancelled = true;
		this.#free?.();
	}

	/** The scaler it leads to is gone; a stream that was ended well has ended before. */
	scalerEnded(scaler: ScalerProcess): void {
		if (scaler === this.#scaler) this.#end({ code: status.UNAVAILABLE, details: "connection lost" });
	}

	#arrived(): void {
		if (this.#cancelled) return;
		if (this.#scaler?.isAlive !== true) return this.#end({ code: status.UNAVAILABLE, details: "no scaler" });
		this.#free = this.#scaler.open({
			push: () => this.#push(),
			end: () => this.#end({ code: status.OK, details: "" }),
		});
	}

	#push(): Pushed {
		if (this.#delivering) return "coalesced";
		this.#delivering = true;
		this.#clock.after(this.#wayMs(), () => {
			this.#delivering = false;
			for (const listener of this.#onData) listener({ result: true });
		});
		return "sent";
	}

	#end(how: Status): void {
		this.#clock.after(this.#wayMs(), () => {
			for (const listener of this.#onStatus) listener(how);
		});
	}
}
