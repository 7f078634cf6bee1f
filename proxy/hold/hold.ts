import type { CloseReason } from "../../events/schema.ts";
import type { Purpose } from "./first-request.ts";
import type { H2Error } from "./http2.ts";
import type { TraceParent } from "./trace-parent.ts";

/** What a hold tells the connection that it belongs to. */
export interface HoldEvents {
	/** The client has asked for something, maybe as part of a trace. Called once. */
	requested(purpose: Purpose, traceParent?: TraceParent): void;
	/** Bytes for the daemon, in order: a view, copy it to keep it. False when they were not taken whole. */
	keep(bytes: Uint8Array): boolean;
	/** Not a client, or one that breaks the protocol. It was told, if it can be; what is left is to close. */
	refused(reason: CloseReason, message: string): void;
}

/** Talks to a client, in its own protocol, while it has no daemon. */
export interface Hold {
	/** What a connection is called that ends before its first request. */
	readonly unasked: CloseReason;
	/** How long the client lets itself be held; undefined: as long as we like. */
	readonly maxWaitMs: number | undefined;
	/** Whether the client's bytes are the daemon's as they are, once it has answered: `read` need not see them. */
	readonly isTransparent: boolean;
	/** Takes in what the client sent. Returns what `HoldEvents.keep` did: false to stop reading for a while. */
	read(bytes: Buffer): boolean;
	/** Looks for the first answer of a daemon that was just assigned. */
	firstAnswer(): FirstAnswer;
	/** The hold is over; returns what was read and not passed on, which the daemon gets before anything else. */
	release(): Uint8Array;
	/** Tells the client why it is not served: at once, and again whatever it asks for from now on. */
	fail(message: string): void;
	/** Last words, and FIN. */
	goodbye(code: H2Error, message: string): void;
	/** The connection is closed: nothing is said any more. */
	close(): void;
}

export type FirstAnswerVerdict =
	| { readonly t: "more" }
	/** `bytes` is all that was read so far and belongs to the client. */
	| { readonly t: "answered"; readonly bytes: Buffer }
	| { readonly t: "wrong"; readonly why: string };

/** Waits until a daemon has answered. Nothing reaches the client before, so the build can still go to another one. */
export interface FirstAnswer {
	read(chunk: Uint8Array): FirstAnswerVerdict;
}
