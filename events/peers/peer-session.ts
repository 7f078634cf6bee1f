import type { ServerResponse } from "node:http";
import { comesWithin } from "../../common/within.ts";
import type { BusStatus } from "../bus.ts";
import { askSubject, matchesSubject } from "../subject.ts";
import type { SubjectLink, SubjectMessage, SubjectSession } from "../subject-bus.ts";
import { PeerLink, type PeerLinkDeps } from "./peer-link.ts";

/** What a peer that reads too slowly may have in its way; then it is left, comes again, and is told everything. */
const maxBehindBytes = 4 * 1024 * 1024;
const lastWordsMs = 1_000;
/** More replicas than this are no replicas. */
const maxReaders = 100;

/**
 * Carries messages between the replicas of one program without a server of its own: each reads what the others say, over
 * HTTP, one line a message: its subject, a space, its payload (JSON, so without newlines). A replica believes only those
 * whom it reads, and it reads only those that `connect` names.
 *
 * Always connected, for what is said here is heard here: whether all the others are heard too is not for a bus to know
 * that does not know who they are.
 */
export class PeerSession implements SubjectSession, SubjectLink {
	readonly status: BusStatus = { t: "connected" };
	readonly #deps: Omit<PeerLinkDeps, "onLine">;
	readonly #handlers: [pattern: string, handler: (message: SubjectMessage) => void][] = [];
	readonly #links = new Map<string, PeerLink>();
	readonly #readers = new Set<ServerResponse>();
	#lastReadAt = Number.NEGATIVE_INFINITY;

	constructor(deps: Omit<PeerLinkDeps, "onLine">) {
		this.#deps = deps;
	}

	get link(): SubjectLink {
		return this;
	}

	onStatus(): () => void {
		return () => {};
	}

	/** For how long nobody has read us, in ms: 0 while somebody does, Infinity before anybody did. */
	get unreadMs(): number {
		return this.#readers.size > 0 ? 0 : this.#deps.clock.now() - this.#lastReadAt;
	}

	/** Reads these from now on, HOST:PORT of their admin servers, and nobody else. */
	connect(admins: readonly string[]): void {
		for (const [admin, link] of this.#links) {
			if (admins.includes(admin)) continue;
			link.close();
			this.#links.delete(admin);
		}
		for (const admin of admins) {
			if (this.#links.has(admin)) continue;
			const onLine = (line: Uint8Array) => this.#heard(line);
			this.#links.set(admin, new PeerLink(admin, { ...this.#deps, onLine }));
		}
	}

	/** Somebody reads us: GET /events. Told everything there is at once. */
	read(response: ServerResponse): void {
		if (this.#readers.size >= maxReaders) {
			response.writeHead(503).end();
			return;
		}
		response.writeHead(200, { "content-type": "text/plain" });
		response.flushHeaders();
		this.#readers.add(response);
		response.once("close", () => {
			this.#readers.delete(response);
			this.#lastReadAt = this.#deps.clock.now();
		});
		this.#dispatch({ subject: askSubject, data: new Uint8Array() });
	}

	publish(subject: string, payload: string): void {
		for (const reader of this.#readers) {
			reader.write(`${subject} ${payload}\n`);
			if (reader.writableLength > maxBehindBytes) reader.destroy();
		}
	}

	subscribe(subject: string, handler: (message: SubjectMessage) => void): void {
		this.#handlers.push([subject, handler]);
	}

	async close(): Promise<void> {
		this.connect([]);
		const ended = [...this.#readers].map((reader) => new Promise<void>((resolve) => reader.end(resolve)));
		this.#readers.clear();
		// One that does not read any more keeps nobody.
		await comesWithin(Promise.all(ended), lastWordsMs, this.#deps.clock);
	}

	#heard(line: Uint8Array): void {
		const space = line.indexOf(32);
		if (space === -1) return;
		const subject = new TextDecoder().decode(line.subarray(0, space));
		this.#dispatch({ subject, data: line.subarray(space + 1) });
	}

	#dispatch(message: SubjectMessage): void {
		for (const [pattern, handler] of this.#handlers)
			if (matchesSubject(pattern, message.subject)) handler(message);
	}
}
