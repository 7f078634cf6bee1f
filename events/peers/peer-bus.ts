import type { ServerResponse } from "node:http";
import type { Logger } from "../../common/log.ts";
import { SubjectBus, type SubjectBusOptions } from "../subject-bus.ts";
import { PeerSession } from "./peer-session.ts";

export interface PeerBusOptions extends SubjectBusOptions {
	readonly log: Logger;
}

/** The bus of a few replicas that read each other over HTTP; of one alone it is a bus in memory. */
export class PeerBus extends SubjectBus {
	readonly #session: PeerSession;

	constructor(options: PeerBusOptions) {
		const session = new PeerSession(options);
		super(options, (onLink) => {
			onLink(session);
			return session;
		});
		this.#session = session;
	}

	/** For how long nobody has read us, in ms: 0 while somebody does, Infinity before anybody did. */
	get unreadMs(): number {
		return this.#session.unreadMs;
	}

	/** Reads these from now on, HOST:PORT of their admin servers, and nobody else. */
	connect(admins: readonly string[]): void {
		this.#session.connect(admins);
	}

	/** What GET /events of our admin server answers. */
	read(response: ServerResponse): void {
		this.#session.read(response);
	}
}
