import { Registry } from "prom-client";
import { startAdmin } from "../common/admin.ts";
import { systemClock } from "../common/clock.ts";
import { createLogger } from "../common/log.ts";
import { NatsBus } from "../events/nats-bus.ts";
import { invalidEventCounter } from "../scaler/metrics.ts";
import { startScaler } from "../scaler/scaler.ts";
import { defineCommand } from "./command.ts";
import { admin, logLevel, nats } from "./common-options.ts";
import { listenAddress, names } from "./option.ts";

export const scalerCommand = defineCommand(
	{ name: "scaler", summary: "The KEDA external scaler: turns the proxies' events into demand" },
	{
		listen: {
			kind: listenAddress,
			defaultText: ":6000",
			placeholder: "HOST:PORT",
			description: "gRPC for KEDA (externalscaler.ExternalScaler) and health checks",
		},
		nats,
		admin,
		expectedProxies: {
			kind: names,
			placeholder: "ID,...",
			description:
				"Every proxy's id, where that is certain: once all were heard, the demand is known at once",
		},
		logLevel,
	},
	async (config) => {
		const log = createLogger(config.logLevel);
		const registry = new Registry();
		const countInvalid = invalidEventCounter(registry);
		const bus = new NatsBus({
			url: config.nats,
			name: "buildkit-scaler scaler",
			clock: systemClock,
			onInvalid(error) {
				countInvalid();
				log.warn({ error: error.message }, "invalid event");
			},
		});
		const { expectedProxies } = config;
		const scaler = await startScaler(
			{ listen: config.listen, ...(expectedProxies === undefined ? {} : { expectedProxies }) },
			{ bus, clock: systemClock, log, registry },
		);
		const adminServer = await startAdmin(config.admin, {
			ready: scaler.ready,
			registry,
			state: scaler.state,
		});
		bus.onStatus((status) => log.info(status, "bus"));
		log.info({ port: scaler.port, admin: adminServer.port }, "scaler ready");
		const stop = async () => {
			await scaler.stop();
			await bus.close();
			await adminServer.close();
		};
		return { drain: stop, kill: async () => {} };
	},
);
