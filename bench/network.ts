import { networkInterfaces } from "node:os";
import { findProgram } from "../test/tools/programs.ts";
import { runCommand } from "../test/tools/run-command.ts";

/** Linux's default (tcp(7)), for clients and daemons of whoever has not chosen another. */
export const congestionControl = "cubic";

/**
 * Sets up this process' network, a namespace that it must have for itself: loopback with Linux's own congestion control.
 * One that paces, like BBR, has its timers decide how fast loopback is, and nobody's proxy.
 */
export async function setUpNetwork(): Promise<void> {
	const leadsOut = Object.values(networkInterfaces()).some((at) => at?.some(({ internal }) => !internal));
	if (leadsOut) throw new Error("needs a network of its own, which `npm run bench` gives it");
	const ip = findProgram("ip");
	await runCommand(ip, ["link", "set", "lo", "up"]);
	// By route, as a namespace may choose only among what the machine allows everybody (tcp_allowed_congestion_control).
	const route = ["dev", "lo", "proto", "kernel", "scope", "host", "src", "127.0.0.1", "table", "local"];
	await runCommand(ip, ["route", "change", "local", "127.0.0.1", ...route, "congctl", congestionControl]);
}
