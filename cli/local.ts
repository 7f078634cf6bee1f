import { homedir } from "node:os";
import { join } from "node:path";
import { systemClock } from "../common/clock.ts";
import { ScalerError } from "../common/error.ts";
import { createLogger } from "../common/log.ts";
import { daemonChoices } from "../local/kinds/choose.ts";
import { startLocal } from "../local/local.ts";
import { formatLine } from "../local/narrator.ts";
import { defineCommand } from "./command.ts";
import {
	affinityBy,
	balance,
	capacity,
	checkTenants,
	drainTimeout,
	fairBy,
	frozenAfter,
	logLevel,
	maxPerTenant,
	maxWait,
	namespace,
	nats,
	natsFiles,
	natsFilesOf,
	pool,
	traces,
	wakeOnStatus,
} from "./common-options.ts";
import { choice, duration, integer, listenAddress, text } from "./option.ts";

/** Daemons keep their cache here from run to run, where the XDG base directory specification puts state. */
const stateHome = process.env["XDG_STATE_HOME"] || join(homedir(), ".local", "state");

export const localCommand = defineCommand(
	{ name: "local", summary: "Everything in one process: proxy, scaler, and daemons as child processes" },
	{
		listen: {
			kind: listenAddress,
			defaultText: "127.0.0.1:1234",
			placeholder: "HOST:PORT",
			description: "Where BuildKit clients connect",
		},
		maxDaemons: {
			kind: integer(1, 100),
			defaultText: "4",
			placeholder: "N",
			description: "The most daemons at once",
		},
		capacity,
		balance,
		affinityBy,
		fairBy,
		maxPerTenant,
		cooldown: {
			kind: duration,
			defaultText: "30s",
			placeholder: "DURATION",
			description: "How long the pool stays after its last build",
		},
		poll: {
			kind: duration,
			defaultText: "5s",
			placeholder: "DURATION",
			description: "How often the controller asks the scaler, as KEDA's pollingInterval",
		},
		wakeDelay: {
			kind: duration,
			defaultText: "0s",
			placeholder: "DURATION",
			description: "Starts each daemon that much later: stands for a slow node",
		},
		maxWait,
		wakeOnStatus,
		frozenAfter,
		drainTimeout,
		daemon: {
			kind: choice(daemonChoices),
			defaultText: "auto",
			placeholder: "KIND",
			description: `What a daemon is: ${daemonChoices.join(", ")}; auto takes the first of them that works here`,
		},
		nats: {
			kind: nats.kind,
			placeholder: nats.placeholder,
			description: "Carries the events over this NATS server; without it they stay in memory",
		},
		...natsFiles,
		admin: {
			kind: listenAddress,
			defaultText: "127.0.0.1:8081",
			placeholder: "HOST:PORT",
			description: "Admin HTTP: /healthz, /readyz, /metrics, /state",
		},
		scalerListen: {
			kind: listenAddress,
			defaultText: "127.0.0.1:6000",
			placeholder: "HOST:PORT",
			description: "The scaler's gRPC",
		},
		stateDir: {
			kind: text,
			defaultText: join(stateHome, "buildkit-scaler"),
			placeholder: "DIR",
			description: "The daemons' caches, sockets and logs",
		},
		pool,
		namespace,
		traces,
		logLevel: { ...logLevel, defaultText: "warn" },
	},
	async (config) => {
		checkTenants(config);
		const files = natsFilesOf(config);
		if (config.nats === undefined && Object.values(files).some((file) => file !== undefined))
			throw new ScalerError("CONFIG_INVALID", "--nats-creds, -nkey and -tls-* need --nats");
		const local = await startLocal(
			{
				listen: config.listen,
				maxDaemons: config.maxDaemons,
				capacity: config.capacity,
				balance: config.balance,
				affinityBy: config.affinityBy,
				fairBy: config.fairBy,
				maxPerTenant: config.maxPerTenant,
				cooldownMs: config.cooldown,
				pollMs: config.poll,
				wakeDelayMs: config.wakeDelay,
				maxWaitMs: config.maxWait,
				wakeOnStatus: config.wakeOnStatus,
				frozenAfterMs: config.frozenAfter,
				drainTimeoutMs: config.drainTimeout,
				daemon: config.daemon,
				...(config.nats === undefined ? {} : { nats: { url: config.nats, files } }),
				traces: config.traces,
				admin: config.admin,
				scalerListen: config.scalerListen,
				stateDir: config.stateDir,
				pool: config.pool,
				namespace: config.namespace,
			},
			{ clock: systemClock, log: createLogger(config.logLevel) },
		);
		const say = (line: string) => process.stdout.write(`${line}\n`);
		local.onObservation((observation) => say(formatLine(observation, Date.now())));
		for (const note of local.notes) say(`note: ${note}`);
		const { host, port } = local.listening;
		say(
			`ready: 0 daemons (${local.kind.description}); up to ${config.maxDaemons}, ${config.capacity} builds each`,
		);
		say(`  build:  buildctl --addr tcp://${host}:${port} build ...`);
		say(`  watch:  http://${config.admin.host}:${local.adminPort}/state and /metrics`);
		say(`  scaler: ${config.scalerListen.host}:${local.scalerPort} (gRPC, as KEDA calls it)`);
		say("  stop:   Ctrl-C lets running builds finish, a second one does not");
		return {
			async drain() {
				say("stopping: running builds finish first; once more ends them");
				await local.drain();
				say("stopped: no daemon is left");
			},
			async kill() {
				await local.kill();
				say("stopped at once: running builds were ended");
			},
		};
	},
);
