import { unreachable } from "../common/error.ts";
import type { CloseReason } from "../events/schema.ts";
import type { Observation, ScaleReason } from "./observation.ts";

/** One line of the timeline, without its line end. `wallTimeMs` (since 1970) is when it happened. Pure. */
export function formatLine(observation: Observation, wallTimeMs: number): string {
	return `${formatTime(wallTimeMs)}  ${formatObservation(observation)}`;
}

/** "231 ms", "3.2 s", "30 s", "2 min". */
export function formatDuration(ms: number): string {
	if (ms < 1_000) return `${Math.round(ms)} ms`;
	if (ms < 120_000) return `${Number((ms / 1_000).toFixed(1))} s`;
	return `${Number((ms / 60_000).toFixed(1))} min`;
}

/** What happened, in words, without the time. Pure. */
export function formatObservation(observation: Observation): string {
	switch (observation.t) {
		case "buildWaiting": {
			const { build, poolAsleep } = observation;
			return `build ${build}  waiting: ${poolAsleep ? "the pool is asleep" : "for room on a daemon"}`;
		}
		case "buildAssigned":
			return `build ${observation.build}  assigned to ${observation.daemon}`;
		case "buildServed":
			return `build ${observation.build}  first byte after ${formatDuration(observation.afterMs)}`;
		case "buildEnded": {
			const { build, reason, afterMs } = observation;
			return `build ${build}  ${endings[reason]} after ${formatDuration(afterMs)}`;
		}
		case "eventSeen":
			return `event: ${observation.type}`;
		case "idle":
			return `idle: back to zero in about ${formatDuration(observation.cooldownMs)}`;
		case "pushed":
			return "pushed: the scaler says active";
		case "scaled":
			return `scaled ${observation.from} -> ${observation.to}: ${scaleReasons[observation.reason]}`;
		case "checkFailed":
			return `the scaler does not know (${observation.message}): the daemons stay as they are`;
		case "streamEnded": {
			const { message, retryMs } = observation;
			return `push stream ended (${message}); again in ${formatDuration(retryMs)}`;
		}
		case "daemonStarted":
			return `daemon ${observation.daemon} started`;
		case "daemonDraining":
			return `daemon ${observation.daemon} drains: no new builds`;
		case "daemonKept":
			return `daemon ${observation.daemon} is wanted again`;
		case "daemonFailed": {
			const { daemon, how, lastLines, retryMs } = observation;
			const next = retryMs === null ? "no longer wanted" : `again in ${formatDuration(retryMs)}`;
			return [`daemon ${daemon} ended by itself (${how}); ${next}`, ...lastLines].join(`\n${indent}| `);
		}
		case "daemonStopped": {
			const { daemon, left } = observation;
			return `daemon ${daemon} stopped: ${left} ${left === 1 ? "daemon" : "daemons"} left`;
		}
		default:
			return unreachable(observation);
	}
}

const scaleReasons: Readonly<Record<ScaleReason, string>> = {
	demand: "KEDA wakes the pool",
	metric: "the HPA follows the metric",
	cooldown: "KEDA, the cooldown is over",
};

/** How a build that waited may end; the other reasons are of connections that were never one. */
const endings: Readonly<Record<CloseReason, string>> = {
	noPreface: "was no client",
	notHttp2: "was no client",
	http1: "was no client",
	tls: "was no client",
	notTls: "was no client",
	tlsFailed: "failed at TLS",
	unknownServerName: "asked for an unknown server name",
	noRequest: "asked for nothing",
	noBuild: "belonged to a build that is over",
	noWake: "asked for the status only: answered without a daemon",
	badCertificate: "was told that its certificate is not accepted",
	notAllowed: "was told that it may not use this pool",
	tooManyConnections: "turned away: too many connections",
	tooManyFromAddress: "turned away: too many connections from its address",
	tooManyHandshakes: "turned away: too many connections without a request",
	headersTooLarge: "ended for the size of its headers",
	clientGone: "gave up waiting",
	protocolError: "ended for a protocol error",
	heldTooMuch: "ended for sending too much while it waited",
	holdFull: "was told that too much is held already",
	tooManyPings: "ended for its PINGs",
	tooManyStreams: "ended for its streams",
	noSettingsAck: "ended for not answering",
	waitTimeout: "was told that no daemon had room",
	passthroughWait: "let go, to try again",
	queueFull: "was told that the queue is full",
	clientClosed: "done",
	daemonClosed: "ended by the daemon",
	clientFailed: "lost its client",
	daemonFailed: "lost its daemon",
	clientFrozen: "ended: its client was frozen",
	idleOnDrain: "ended: silent, on a daemon that goes",
	proxyStopping: "ended, as we stop,",
	internalError: "ended by a fault of ours, see the log",
};

/** As wide as a time and the gap after it. */
const indent = " ".repeat(14);

function formatTime(wallTimeMs: number): string {
	const date = new Date(wallTimeMs);
	const two = (value: number) => String(value).padStart(2, "0");
	const ms = String(date.getMilliseconds()).padStart(3, "0");
	return `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}.${ms}`;
}
