import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { startServer } from "../helpers/child.ts";
import type { Cleanup } from "../helpers/cleanup.ts";
import type { CertificateFiles } from "../helpers/x509.ts";
import { projectRoot } from "../tools/paths.ts";
import type { Mode } from "./cells.ts";

/** What both ends of a pool have, as BuildKit's create-certs.sh lays it out. */
export interface Certificates {
	readonly daemon: CertificateFiles;
	readonly client: CertificateFiles;
}

export interface PoolOrder {
	/** A DNS label. */
	readonly pool: string;
	readonly mode: Mode;
	/** HOST:PORT. */
	readonly daemon: string;
}

export interface ProxyOrder {
	readonly pools: readonly PoolOrder[];
	readonly natsUrl: string;
	readonly certificates: Certificates;
	/** For its configuration. */
	readonly folder: string;
}

/** One `buildkit-scaler proxy` for all of these pools; resolves with where each pool's clients connect. */
export async function startProxy(cleanup: Cleanup, order: ProxyOrder): Promise<ReadonlyMap<string, string>> {
	const config = join(order.folder, "proxy.yaml");
	// JSON is YAML.
	writeFileSync(
		config,
		JSON.stringify({
			...{ nats: order.natsUrl, admin: "127.0.0.1:0", listen: "127.0.0.1:0", capacity: 1_000 },
			pools: order.pools.map(({ pool, mode, daemon }) => ({
				...{ pool, daemons: daemon },
				...tlsOptions(mode, order.certificates),
			})),
		}),
	);
	const args = [join(projectRoot, "cli", "main.ts"), "proxy", "--config", config];
	const proxy = startServer(cleanup, process.execPath, args);
	const addresses = new Map<string, string>();
	await proxy.line((line) => {
		const [, pool, port] = /"pool":"default\/([^"]+)".*"port":(\d+).*"pool ready"/.exec(line) ?? [];
		if (pool !== undefined) addresses.set(pool, `tcp://127.0.0.1:${port}`);
		return addresses.size === order.pools.length ? true : undefined;
	});
	return addresses;
}

/** The certificates of both ends are all that a proxy needs, for it stands in for each to the other. */
function tlsOptions(mode: Mode, { daemon, client }: Certificates): object {
	switch (mode) {
		case "plaintext":
			return { tls: "off" };
		case "passthrough":
			return { tls: "passthrough" };
		case "terminate":
			return {
				...{ tls: "terminate", tlsCert: daemon.cert, tlsKey: daemon.key, tlsClientCa: daemon.ca },
				...{ daemonTlsCa: client.ca, daemonTlsCert: client.cert, daemonTlsKey: client.key },
				daemonTlsServerName: "localhost",
			};
	}
}
