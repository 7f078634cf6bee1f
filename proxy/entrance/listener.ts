import net from "node:net";
import type { Clock } from "../../common/clock.ts";
import { unreachable } from "../../common/error.ts";
import { listen } from "../../common/listen.ts";
import type { CloseReason } from "../../events/schema.ts";
import { type Origin, originOf, type Protocol, type TurnedAway } from "../connection/origin.ts";
import type { Limits } from "../limits.ts";
import { ClientHelloReader } from "../tls/client-hello.ts";
import type { TlsTerminator } from "../tls/terminator.ts";
import type { DeadHostLimits } from "../wire/dead-host.ts";
import { TcpWire, tuneSocket } from "../wire/tcp-wire.ts";
import type { Wire } from "../wire/wire.ts";
import { chooseRoute } from "./routes.ts";

/** How clients speak when they come in. */
export type RouteTls =
	| { readonly t: "off" }
	/** TLS ends here. */
	| { readonly t: "terminate"; readonly terminator: TlsTerminator }
	/** TLS ends at the daemon, and what passes here is opaque. */
	| { readonly t: "passthrough" };

/** Where a listener's clients go. */
export interface Route {
	readonly serverNames: readonly string[];
	readonly tls: RouteTls;
	/** Whether one more client may come in; false once it was counted as turned away. */
	admits(socket: net.Socket): boolean;
	accept(wire: Wire, protocol: Protocol, origin: Origin): void;
}

export interface ListenerDeps {
	readonly clock: Clock;
	/** Of the clients whose TLS hello is still to come, `maxHandshakes` at once. */
	readonly limits: Pick<Limits, "handshakeMs" | "maxHandshakes"> & DeadHostLimits;
	readonly turnedAway: (client: TurnedAway) => void;
	readonly failed: (error: Error) => void;
}

/** TLS alert "unrecognized_name" (RFC 6066, 3). */
const unrecognizedName = Buffer.from([21, 3, 3, 0, 2, 2, 112]);

/** One address that clients connect to, for one pool or, told apart by their server names, several. */
export class Listener {
	readonly host: string;
	readonly port: number;
	/** May change at any time; who is in already stays where they are. */
	routes: readonly Route[] = [];
	readonly #name: string;
	readonly #server: net.Server;
	readonly #deps: ListenerDeps;
	/** Clients whose hello is being read. */
	readonly #greeting = new Set<net.Socket>();

	private constructor(server: net.Server, at: { host: string; port: number }, deps: ListenerDeps) {
		this.#server = server;
		this.#deps = deps;
		this.host = at.host;
		this.port = at.port;
		this.#name = `${at.host}:${at.port}`;
		server.on("connection", (socket) => this.#accepted(socket));
		server.on("error", deps.failed);
	}

	/** Throws LISTEN_FAILED. */
	static async open(
		at: { readonly host: string; readonly port: number },
		deps: ListenerDeps,
	): Promise<Listener> {
		// The kernel queues clients that arrive faster than we accept; its own limit (somaxconn) still applies.
		const server = net.createServer({ pauseOnConnect: true, allowHalfOpen: true });
		return new Listener(server, await listen(server, { ...at, backlog: 4_096 }), deps);
	}

	/** No new clients; those who are in stay. */
	close(): void {
		this.#server.close();
		for (const socket of this.#greeting) socket.destroy();
	}

	#accepted(socket: net.Socket): void {
		const { limits } = this.#deps;
		const [route, other] = this.routes;
		if (route?.tls.t === "off" && other === undefined) {
			if (!route.admits(socket)) return void socket.destroy();
			return route.accept(TcpWire.accepted(socket, limits), "h2", originOf(socket, this.#name, undefined));
		}
		if (this.#greeting.size >= limits.maxHandshakes) {
			return this.#turnAway(socket, "tooManyHandshakes", "too many TLS handshakes");
		}
		this.#readHello(socket);
	}

	#readHello(socket: net.Socket): void {
		const reader = new ClientHelloReader();
		const chunks: Buffer[] = [];
		const finish = () => {
			timer.cancel();
			this.#greeting.delete(socket);
			socket.off("data", onData).off("end", onGone).off("close", onGone);
			socket.pause();
		};
		const onGone = () => {
			finish();
			this.#turnAway(socket, "noPreface", "left before its TLS hello");
		};
		const onData = (chunk: Buffer) => {
			chunks.push(chunk);
			const verdict = reader.read(chunk);
			switch (verdict.t) {
				case "more":
					return;
				case "refuse":
					finish();
					return this.#turnAway(socket, verdict.reason, verdict.why);
				case "hello":
					finish();
					return this.#route(socket, verdict.serverName, Buffer.concat(chunks));
				default:
					return unreachable(verdict);
			}
		};
		const timer = this.#deps.clock.after(this.#deps.limits.handshakeMs, () => {
			finish();
			this.#turnAway(socket, "noPreface", "no TLS hello");
		});
		this.#greeting.add(socket);
		// Stays with the socket: whoever takes it over next listens to its own end of it.
		socket.on("error", () => {});
		socket.on("data", onData).on("end", onGone).on("close", onGone);
		socket.resume();
	}

	#route(socket: net.Socket, serverName: string | undefined, hello: Buffer): void {
		const route = chooseRoute(this.routes, serverName);
		if (route === undefined) {
			socket.write(unrecognizedName);
			socket.end();
			return this.#turnAway(socket, "unknownServerName", `no pool for server name ${serverName ?? "(none)"}`);
		}
		if (!route.admits(socket)) return void socket.destroy();
		switch (route.tls.t) {
			case "terminate":
				tuneSocket(socket, this.#deps.limits);
				socket.unshift(hello);
				return route.tls.terminator.accept(socket);
			case "passthrough":
				return route.accept(
					TcpWire.accepted(socket, this.#deps.limits, hello),
					"tls",
					originOf(socket, this.#name, serverName),
				);
			case "off":
				return this.#turnAway(socket, "tls", "TLS, which this pool does not speak");
			default:
				return unreachable(route.tls);
		}
	}

	#turnAway(socket: net.Socket, reason: CloseReason, why: string): void {
		const { remoteAddress = "?", remotePort = 0 } = socket;
		this.#deps.turnedAway({ client: `${remoteAddress}:${remotePort}`, reason, why });
		// What was written is sent first.
		if (socket.writableLength === 0) socket.destroy();
		else socket.end(() => socket.destroy());
	}
}
