import { hostname } from "node:os";
import { Registry } from "prom-client";
import { startAdmin } from "../common/admin.ts";
import { systemClock } from "../common/clock.ts";
import { ScalerError } from "../common/error.ts";
import { createLogger, type Logger } from "../common/log.ts";
import { invalidEvents } from "../events/invalid-events.ts";
import { NatsBus } from "../events/nats-bus.ts";
import { natsTrouble } from "../events/nats-trouble.ts";
import { eventCounter } from "../proxy/observe/event-metrics.ts";
import { openTraces } from "../proxy/observe/open-traces.ts";
import { poolKey } from "../proxy/pool/pool-settings.ts";
import { type RunningProxy, startProxy } from "../proxy/proxy.ts";
import { advertised } from "./advertised.ts";
import type { Command } from "./command.ts";
import { natsFilesOf } from "./common-options.ts";
import { type DaemonsSettings, daemonSources } from "./daemons.ts";
import { type Invocation, loadPools } from "./load-config.ts";
import { poolSettings } from "./pool-settings.ts";
import { poolOptions, sharedOptions } from "./proxy-options.ts";
import { watchFile } from "./watch-file.ts";

export const proxyCommand: Command = {
	name: "proxy",
	summary: "The connection proxy: takes clients in and holds them until a daemon has room",
	options: { ...poolOptions, ...sharedOptions },
	reloads: true,
	async start(invocation) {
		const { shared, pools, path } = load(invocation);
		const log = createLogger(shared.logLevel);
		const registry = new Registry();
		const [first] = pools;
		const bus = new NatsBus({
			url: shared.nats,
			files: natsFilesOf(shared),
			name: `buildkit-scaler proxy ${pools.map(poolKey).join(" ").slice(0, 200)}`,
			clock: systemClock,
			onTrouble: natsTrouble(systemClock, log),
			onInvalid: invalidEvents("proxy", { clock: systemClock, log, registry }),
			onPublished: eventCounter(registry),
		});
		const id = shared.id ?? `${hostname()}:${first?.listen.port ?? 0}`;
		const endpoint = shared.traces;
		const traces = await openTraces({ endpoint, instance: id }, process.env, systemClock, registry);
		const proxy = await startProxy(
			{
				id,
				pools,
				admin: advertised(shared.adminAdvertise ?? shared.admin),
				drainGraceMs: shared.drainGrace,
				drainTimeoutMs: shared.drainTimeout,
				limits: {
					maxConnections: shared.maxConnections,
					maxConnectionsPerAddress: shared.maxConnectionsPerAddress,
					maxOpening: shared.maxOpening,
					maxTotalHeldBytes: shared.maxHeld,
					frozenAfterMs: shared.frozenAfter,
				},
			},
			{ openSource: daemonSources(log, registry), bus, clock: systemClock, log, registry, traces },
		);
		const adminServer = await startAdmin(shared.admin, {
			ready: () => proxy.ready(),
			registry,
			state: () => proxy.state(),
			snapshots: () => proxy.snapshots(),
		});
		bus.onStatus((status) => log.info(status, "bus"));
		for (const pool of pools) log.info({ pool: poolKey(pool), ...proxy.addressOf(pool) }, "pool ready");
		log.info({ admin: adminServer.port }, "proxy ready");
		const reload = () => reloadPools(proxy, invocation, log);
		const watch = path === undefined ? undefined : watchFile(path, systemClock, () => void reload());
		const finish = async () => {
			watch?.cancel();
			await bus.close();
			await traces?.close();
			await adminServer.close();
		};
		return {
			async drain() {
				log.info("draining: builds end first; a second signal ends them");
				await proxy.drain();
				await finish();
			},
			async kill() {
				await proxy.close();
				await finish();
			},
			reload,
		};
	},
};

function load(invocation: Invocation) {
	const { shared, pools, path } = loadPools(sharedOptions, poolOptions, invocation);
	const settings = pools.map((config) => {
		try {
			return poolSettings(config);
		} catch (thrown) {
			const { message } = ScalerError.from(thrown);
			const where = pools.length > 1 ? `pool ${config.pool}: ` : "";
			throw new ScalerError("CONFIG_INVALID", `${where}${message}`, { cause: thrown });
		}
	});
	return { shared, pools: settings, path };
}

async function reloadPools(
	proxy: RunningProxy<DaemonsSettings>,
	invocation: Invocation,
	log: Logger,
): Promise<void> {
	try {
		const { pools } = load(invocation);
		await proxy.apply(pools);
		proxy.reloadCertificates();
		log.info({ pools: pools.map(poolKey) }, "configuration reloaded");
	} catch (thrown) {
		log.error(
			{ error: ScalerError.from(thrown).message },
			"configuration not reloaded: everything stays as it was",
		);
	}
}
