import { expect, test } from "vitest";
import { parseDnsName } from "./dns-name.ts";

test.each([
	["buildkitd.builds.svc:1234", { t: "addresses", name: "buildkitd.builds.svc", port: 1234 }],
	["buildkitd:1", { t: "addresses", name: "buildkitd", port: 1 }],
	["b.example.:65535", { t: "addresses", name: "b.example.", port: 65_535 }],
	["_buildkit._tcp.buildkitd.builds.svc", { t: "services", name: "_buildkit._tcp.buildkitd.builds.svc" }],
	["_x._tcp.b.", { t: "services", name: "_x._tcp.b." }],
])("%s", (text, name) => {
	expect(parseDnsName(text)).toEqual(name);
});

test.each([
	"buildkitd",
	"buildkitd:0",
	"buildkitd:65536",
	"buildkitd:x",
	":1234",
	".:1234",
	"a..b:1",
	"-a:1",
	"10.0.0.1:1234",
	"[fd00::1]:1234",
	"_x._tcp.b:1234",
	"_x._tcp",
	`${"a.".repeat(130)}b:1`,
	`${"a".repeat(64)}:1`,
	"",
])("%s is none", (text) => {
	expect(parseDnsName(text)).toBeUndefined();
});
