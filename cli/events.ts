import { systemClock } from "../common/clock.ts";
import { ScalerError } from "../common/error.ts";
import { OnceAMinute } from "../common/once-a-minute.ts";
import { messageJson, messageLine } from "../events/event-line.ts";
import { ensureStream, streamName } from "../events/event-stream.ts";
import { EventTail } from "../events/event-tail.ts";
import { NatsAccess } from "../events/nats-access.ts";
import { NatsLink, natsReason } from "../events/nats-link.ts";
import { defineCommand, type Running } from "./command.ts";
import { namespace, nats, natsFiles, natsFilesOf, pool } from "./common-options.ts";
import { age, boolean, integer, size } from "./option.ts";

const pingIntervalMs = 5_000;

export const eventsTailCommand = defineCommand(
	{ name: "events tail", summary: "Prints the proxies' events, one line each, until Ctrl-C" },
	{
		nats,
		...natsFiles,
		namespace: {
			kind: namespace.kind,
			placeholder: namespace.placeholder,
			description: "Only the pools of this namespace",
		},
		pool: {
			kind: pool.kind,
			placeholder: pool.placeholder,
			description: "Only the pools of this name",
		},
		since: {
			kind: age,
			placeholder: "DURATION",
			description: "Begins so long ago, with what the stream of `events stream` has kept",
		},
		json: {
			kind: boolean,
			defaultText: "false",
			placeholder: "BOOL",
			description: "Prints each event as it was sent, one line of JSON (docs/events.schema.json)",
		},
	},
	async (config) => {
		const { stdout, stderr } = process;
		const trouble = new OnceAMinute(systemClock);
		const note = (text: string) => stderr.write(`buildkit-scaler: ${text}\n`);
		const tail = new EventTail({
			url: config.nats,
			files: natsFilesOf(config),
			name: "buildkit-scaler events tail",
			clock: systemClock,
			only: {
				...(config.namespace && { namespace: config.namespace }),
				...(config.pool && { pool: config.pool }),
			},
			sinceMs: config.since,
			onMessage: (decoded, payload) =>
				stdout.write(`${config.json ? messageJson(decoded, payload) : messageLine(decoded)}\n`),
			onNote: note,
			onTrouble: (reason) => trouble.admit(reason) !== undefined && note(`${reason}; trying again`),
		});
		// Whoever read our output is gone, as `head` is after some lines: nobody is left to print for.
		stdout.on("error", () => void tail.close());
		return { drain: () => tail.close(), kill: async () => {} };
	},
);

export const eventsStreamCommand = defineCommand(
	{
		name: "events stream",
		summary: `Makes the JetStream stream ${streamName} that keeps the events, or limits it anew`,
	},
	{
		nats,
		...natsFiles,
		maxAge: {
			kind: age,
			defaultText: "7d",
			placeholder: "DURATION",
			description: "How long an event is kept",
		},
		maxBytes: {
			kind: size,
			defaultText: "1GiB",
			placeholder: "SIZE",
			description: "How much is kept; beyond it the oldest go",
		},
		replicas: {
			kind: integer(1, 5),
			defaultText: "1",
			placeholder: "N",
			description: "NATS servers that keep a copy",
		},
	},
	async (config): Promise<Running> => {
		const access = new NatsAccess(config.nats, natsFilesOf(config), systemClock);
		const link = await connectOnce(access);
		const { maxAge: maxAgeMs, maxBytes, replicas } = config;
		const done = await ensureStream(link, { maxAgeMs, maxBytes, replicas }).finally(() => link.end("closed"));
		process.stdout.write(`stream ${streamName} ${done}\n`);
		return { drain: async () => {}, kill: async () => {} };
	},
);

/** The first of the servers that takes us. */
async function connectOnce(access: NatsAccess): Promise<NatsLink> {
	const reasons: string[] = [];
	for (const server of access.servers) {
		try {
			return await NatsLink.connect(
				{ ...access.optionsFor(server), name: "buildkit-scaler events stream" },
				pingIntervalMs,
			);
		} catch (error) {
			reasons.push(`NATS at ${server}: ${natsReason(error)}`);
		}
	}
	throw new ScalerError("NATS_FAILED", reasons.join("; "));
}
