import { status } from "@grpc/grpc-js";
import { type Backoff, backoffDelayMs } from "../common/backoff.ts";
import type { Clock, Timer } from "../common/clock.ts";
import type { IsActiveResponse } from "../protos/external-scaler.ts";

/** What is used of grpc-js' `ClientReadableStream`. */
export interface ActivityStream {
	on(event: "data", listener: (message: IsActiveResponse) => void): unknown;
	on(event: "error", listener: (error: Error) => void): unknown;
	on(
		event: "status",
		listener: (status: { readonly code: number; readonly details: string }) => void,
	): unknown;
	cancel(): void;
}

export interface PushStreamEvents {
	/** The scaler pushed `true`. (`false` does nothing since KEDA v2.18.) */
	readonly active: () => void;
	readonly ended: (message: string, retryMs: number) => void;
}

type State =
	| { readonly t: "stopped" }
	| { readonly t: "open"; readonly stream: ActivityStream }
	| { readonly t: "waiting"; readonly timer: Timer };

/** KEDA's delays between streams (external_scaler.go: externalPushScaler.Run). */
const streamBackoff: Backoff = { firstMs: 2_000, maxMs: 60_000 };

/** Keeps one StreamIsActive open, as KEDA's external-push scaler does. */
export class PushStream {
	readonly #open: () => ActivityStream;
	readonly #clock: Clock;
	readonly #events: PushStreamEvents;
	#state: State = { t: "stopped" };
	/** Ends since the last one with status OK: only that resets the backoff, not hours of a healthy stream. */
	#abnormalEnds = 0;

	constructor(open: () => ActivityStream, clock: Clock, events: PushStreamEvents) {
		this.#open = open;
		this.#clock = clock;
		this.#events = events;
	}

	start(): void {
		const stream = this.#open();
		this.#setState({ t: "open", stream });
		const isCurrent = () => this.#state.t === "open" && this.#state.stream === stream;
		stream.on("data", ({ result }) => {
			if (result && isCurrent()) this.#events.active();
		});
		// Comes beside the status of every abnormal end; without a listener it would be thrown.
		stream.on("error", () => {});
		stream.on("status", ({ code, details }) => {
			if (isCurrent()) this.#ended(code, details);
		});
	}

	stop(): void {
		this.#setState({ t: "stopped" });
	}

	#ended(code: number, details: string): void {
		if (code === status.OK) this.#abnormalEnds = 0;
		this.#abnormalEnds++;
		const retryMs = backoffDelayMs(streamBackoff, this.#abnormalEnds);
		this.#setState({ t: "waiting", timer: this.#clock.after(retryMs, () => this.start()) });
		this.#events.ended(code === status.OK ? "OK" : details, retryMs);
	}

	#setState(state: State): void {
		const left = this.#state;
		this.#state = state;
		if (left.t === "open") left.stream.cancel();
		if (left.t === "waiting") left.timer.cancel();
	}
}
