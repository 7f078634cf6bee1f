import { networkInterfaces } from "node:os";
import { findProgram } from "../test/tools/programs.ts";
import { runCommand } from "../test/tools/run-command.ts";

/** Linux's default (tcp(7)), for clients and daemons of whoever has not chosen another. */
export const congestionControl = "cubic";

/**
 * Moves this process, begun anew, to a network namespace of its own: loopback with Linux's own congestion control. One that
 * paces, like BBR, has its timers decide how fast loopback is, and nobody's proxy. To be called first.
 */
export async function useOwnNetwork(): Promise<void> {
	const leadsOut = Object.values(networkInterfaces()).some((at) => at?.some(({ internal }) => !internal));
	if (leadsOut) {
		if (process.execve === undefined) throw new Error("needs Node 22.15 or later, and no worker thread");
		const again = [process.execPath, ...process.argv.slice(1)];
		process.execve("/usr/bin/env", ["env", "unshare", "--net", "--", ...again], process.env);
	}
	const ip = findProgram("ip");
	await runCommand(ip, ["link", "set", "lo", "up"]);
	// By route, as a namespace may choose only among what the machine allows everybody (tcp_allowed_congestion_control).
	const route = ["dev", "lo", "proto", "kernel", "scope", "host", "src", "127.0.0.1", "table", "local"];
	await runCommand(ip, ["route", "change", "local", "127.0.0.1", ...route, "congctl", congestionControl]);
}
