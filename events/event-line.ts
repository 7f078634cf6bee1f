import { unreachable } from "../common/error.ts";
import type { Decoded } from "./cloud-event.ts";
import type { PoolEvent } from "./schema.ts";

/** One line for people about a message. It shows what the sender wrote, so nothing in it can move a terminal's cursor. */
export function messageLine(decoded: Decoded): string {
	return printable(
		decoded.t === "event"
			? eventLine(decoded.event, decoded.time)
			: `invalid message (${decoded.cause}): ${decoded.error.message}`,
	);
}

/** One line of JSON: the CloudEvent as it was sent, or what is wrong with it. */
export function messageJson(decoded: Decoded, payload: Uint8Array): string {
	return decoded.t === "event"
		? JSON.stringify(JSON.parse(new TextDecoder().decode(payload)))
		: JSON.stringify({ invalid: decoded.cause, error: decoded.error.message });
}

function eventLine(event: PoolEvent, time: number): string {
	const when = Number.isNaN(time) ? "at an unknown time   " : new Date(time).toISOString();
	return `${when}  ${event.namespace}/${event.pool}  ${event.type.padEnd(19)}  ${details(event).join("  ")}`;
}

function details(event: PoolEvent): string[] {
	const { snapshot } = event;
	switch (event.type) {
		case "connection.opened":
			return [event.connection.id, `client ${event.connection.client}`];
		case "connection.assigned":
			return [
				event.connection.id,
				`daemon ${event.connection.daemon}`,
				`waited ${seconds(event.connection.waitMs)}`,
			];
		case "connection.closed": {
			const { id, daemon, reason, waitMs, durationMs, bytesFromClient, bytesFromDaemon } = event.connection;
			return [
				id,
				reason,
				daemon === null ? "no daemon" : `daemon ${daemon}`,
				`waited ${seconds(waitMs)}`,
				`took ${seconds(durationMs)}`,
				`${size(bytesFromClient)} from client`,
				`${size(bytesFromDaemon)} from daemon`,
			];
		}
		case "proxy.state": {
			const busy = snapshot.daemons.filter(({ active }) => active > 0);
			const active = busy.reduce((sum, daemon) => sum + daemon.active, 0);
			const waiting = `${snapshot.waiting} waiting`;
			return [`proxy ${snapshot.proxy}`, waiting, `${active} active on ${busy.length} daemons`];
		}
		case "proxy.stopped":
			return [`proxy ${snapshot.proxy}`];
		case "daemon.draining":
			return [`daemon ${event.daemon}`];
		default:
			return unreachable(event);
	}
}

function seconds(ms: number): string {
	return ms < 1_000 ? `${ms} ms` : `${(ms / 1_000).toFixed(1)} s`;
}

function size(bytes: number): string {
	for (const [unit, of] of [["GiB", 2 ** 30] as const, ["MiB", 2 ** 20] as const, ["KiB", 2 ** 10] as const])
		if (bytes >= of) return `${(bytes / of).toFixed(1)} ${unit}`;
	return `${bytes} B`;
}

/** Without control characters, line ends and the marks that turn the direction of a text. */
function printable(text: string): string {
	return text.replaceAll(/[\p{C}\p{Zl}\p{Zp}]/gu, "?");
}
