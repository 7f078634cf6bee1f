/** A client of the scaler as KEDA's operator is one; there are two, on different implementations of gRPC and protobuf. */
import type { ScaledObjectRef } from "../../protos/external-scaler.ts";

export type UnaryMethod = "IsActive" | "GetMetricSpec" | "GetMetrics";
type StreamMethod = "StreamIsActive" | "StreamMetricSpec";

/** What is sent: a message, or bytes as they are. */
type Request = ScaledObjectRef | { scaledObjectRef: ScaledObjectRef; metricName: string };

interface CallOptions {
	/** KEDA sets none. */
	readonly deadlineMs?: number;
	/** Cancelled after so long. */
	readonly cancelMs?: number;
}

export interface Answer {
	/** `OK`, or the name of the gRPC status and its details. */
	readonly outcome: string;
	/** With proto3's defaults for what was not sent; undefined unless OK. */
	readonly message: unknown;
	/** The message in protobuf's encoding. */
	readonly hex: string;
}

export interface TlsOptions {
	readonly ca: string;
	readonly cert?: string;
	readonly key?: string;
	/** The host of scalerAddress, for which the certificate must be. */
	readonly serverName: string;
	readonly maxVersion?: "1.2";
}

export interface ConnectOptions {
	readonly tls?: TlsOptions;
	/** Pings so often, also without a call. */
	readonly pingMs?: number;
}

/** One connection, made with the first call. */
export interface Connection {
	call(method: UnaryMethod, request: Request, options?: CallOptions): Promise<Answer>;
	/** Many calls at once, or `rate` of them a second for `seconds`, however long each takes. */
	load(calls: readonly Call[], rate?: { perSecond: number; seconds: number }): Promise<Load>;
	/** Opens `count` streams, one after the other. Unread, their messages stay where they are. */
	streams(method: StreamMethod, ref: ScaledObjectRef, count: number, unread?: boolean): ClientStreams;
	health(service: string): Promise<string>;
	/** Cancels what is under way. */
	close(): Promise<void> | void;
}

interface Call {
	readonly method: UnaryMethod;
	readonly request: Request;
}

interface Load {
	/** How often each gRPC status came. */
	readonly codes: Readonly<Record<string, number>>;
	/** How long each call took. */
	readonly ms: readonly number[];
}

export interface ClientKind {
	readonly name: string;
	/** `proto` is KEDA's current contract, or an old one. */
	connect(address: string, options?: ConnectOptions, proto?: string): Connection;
}

/** Streams that were opened together: what each received, and how it ended. */
export class ClientStreams {
	readonly all: readonly ClientStream[];
	/** Cancels all at once. */
	readonly cancel: () => void;

	constructor(all: readonly ClientStream[], cancel: () => void) {
		this.all = all;
		this.cancel = cancel;
	}

	async received(count: number): Promise<void> {
		await Promise.all(this.all.map((stream) => stream.received(count)));
	}

	ended(): Promise<string[]> {
		return Promise.all(this.all.map(({ ended }) => ended));
	}
}

export class ClientStream {
	readonly messages: unknown[] = [];
	/** When each came, in ms since 1970. */
	readonly times: number[] = [];
	readonly ended: Promise<string>;
	readonly #end: (outcome: string) => void;
	#wake = () => {};

	constructor() {
		const { promise, resolve } = Promise.withResolvers<string>();
		this.ended = promise;
		this.#end = resolve;
	}

	/** Resolves when so many messages have come; rejects when the stream ends before. */
	async received(count: number): Promise<void> {
		const early = this.ended.then((outcome) => {
			if (this.messages.length < count) throw new Error(`ended after ${this.messages.length}: ${outcome}`);
		});
		while (this.messages.length < count) {
			const next = new Promise<void>((resolve) => {
				this.#wake = resolve;
			});
			await Promise.race([next, early]);
		}
		early.catch(() => {});
	}

	message(message: unknown, at: number): void {
		this.messages.push(message);
		this.times.push(at);
		this.#wake();
	}

	end(outcome: string): void {
		this.#end(outcome);
	}
}

/** Now, to be compared with `ClientStream.times`. */
export function wallTime(): number {
	return performance.timeOrigin + performance.now();
}

export function outcomeOf(code: string, details: string): string {
	return code === "OK" ? "OK" : `${code}: ${details}`;
}
