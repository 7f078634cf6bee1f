import type { ConnectionMove, MovedBuild } from "../../proxy/connection/move.ts";

type Changes = Partial<Omit<ConnectionMove, "build">> & { readonly build?: Partial<MovedBuild> };

/** A move of a connection, as far as the test says; the rest is as usual. */
export function connectionMove({ build, ...changes }: Changes): ConnectionMove {
	return {
		id: "p-1",
		client: "192.0.2.1:5000",
		origin: {
			address: "192.0.2.1",
			port: 5_000,
			listener: "0.0.0.0:1234",
			serverName: undefined,
			identity: undefined,
			refusal: undefined,
		},
		from: undefined,
		state: "opening",
		at: 0,
		bytesFromClient: 0,
		bytesFromDaemon: 0,
		...changes,
		...(build === undefined
			? {}
			: {
					build: {
						purpose: "build",
						openedAt: 0,
						servedAt: undefined,
						wait: { wake: 0, queue: 0, dial: 0, firstByte: 0 },
						traceParent: undefined,
						...build,
					},
				}),
	};
}
