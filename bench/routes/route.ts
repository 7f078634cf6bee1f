/** A way from a client to the daemon: straight, or through a proxy. */
export interface Route {
	readonly name: string;
	/** Where the client connects, on 127.0.0.1. */
	readonly port: number;
	/** The proxy's process; the direct route has none. */
	readonly pid?: number;
}

export function direct(daemonPort: number): Route {
	return { name: "direct", port: daemonPort };
}
