import { hostname } from "node:os";
import { Registry } from "prom-client";
import { startAdmin } from "../common/admin.ts";
import { systemClock } from "../common/clock.ts";
import { createLogger } from "../common/log.ts";
import { NatsBus } from "../events/nats-bus.ts";
import { startProxy } from "../proxy/proxy.ts";
import { staticSource } from "../proxy/static-source.ts";
import { defineCommand } from "./command.ts";
import { admin, capacity, drainTimeout, logLevel, maxWait, namespace, nats, pool } from "./common-options.ts";
import { hostPorts, listenAddress, text } from "./option.ts";

export const proxyCommand = defineCommand(
	{ name: "proxy", summary: "The connection proxy: takes clients in and holds them until a daemon has room" },
	{
		listen: {
			kind: listenAddress,
			defaultText: ":1234",
			placeholder: "HOST:PORT",
			description: "Where BuildKit clients connect",
		},
		daemons: {
			kind: hostPorts,
			required: true,
			placeholder: "HOST:PORT,...",
			description: "The pool's daemons, in ordinal order; those that are down are dialed while someone waits",
		},
		pool,
		namespace,
		capacity,
		maxWait,
		drainTimeout,
		nats,
		admin,
		id: {
			kind: text,
			placeholder: "NAME",
			description: "This proxy's name in events, kept over restarts; without it the host's name and the port",
		},
		logLevel,
	},
	async (config) => {
		const log = createLogger(config.logLevel);
		const registry = new Registry();
		const bus = new NatsBus({
			url: config.nats,
			name: `buildkit-scaler proxy ${config.namespace}/${config.pool}`,
			clock: systemClock,
			onInvalid: (error) => log.warn({ error: error.message }, "invalid event"),
		});
		const proxy = await startProxy(
			{
				id: config.id ?? `${hostname()}:${config.listen.port}`,
				namespace: config.namespace,
				pool: config.pool,
				listen: config.listen,
				capacity: config.capacity,
				maxWaitMs: config.maxWait,
				drainTimeoutMs: config.drainTimeout,
			},
			{
				source: staticSource(config.daemons.map((address) => ({ t: "tcp", ...address }))),
				bus,
				clock: systemClock,
				log,
				registry,
			},
		);
		const adminServer = await startAdmin(config.admin, {
			ready: proxy.ready,
			registry,
			state: proxy.state,
		});
		bus.onStatus((status) => log.info(status, "bus"));
		log.info({ ...proxy.listening, admin: adminServer.port }, "proxy ready");
		const finish = async () => {
			await bus.close();
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
		};
	},
);
