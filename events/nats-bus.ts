import { NatsSession, type NatsSessionOptions } from "./nats-session.ts";
import { SubjectBus, type SubjectBusOptions } from "./subject-bus.ts";

export interface NatsBusOptions extends NatsSessionOptions, SubjectBusOptions {}

/** The bus over core NATS. Its connection has `noEcho`: our own messages do not come back to us. */
export class NatsBus extends SubjectBus {
	/** Throws CONFIG_INVALID for a wrong URL or file. */
	constructor(options: NatsBusOptions) {
		super(options, (onLink) => new NatsSession(options, onLink));
	}
}
