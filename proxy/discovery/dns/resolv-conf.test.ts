import { expect, test } from "vitest";
import { fullNames, parseResolvConf } from "./resolv-conf.ts";

const inPod = parseResolvConf(
	"search builds.svc.cluster.local svc.cluster.local cluster.local\nnameserver 10.96.0.10\noptions ndots:5 edns0\n",
);

test("a pod's /etc/resolv.conf", () => {
	expect(inPod).toEqual({
		search: ["builds.svc.cluster.local", "svc.cluster.local", "cluster.local"],
		ndots: 5,
	});
	expect(fullNames("buildkitd", inPod)[0]).toBe("buildkitd.builds.svc.cluster.local");
	expect(fullNames("_b._tcp.d.builds.svc", inPod)).toEqual([
		"_b._tcp.d.builds.svc.builds.svc.cluster.local",
		"_b._tcp.d.builds.svc.svc.cluster.local",
		"_b._tcp.d.builds.svc.cluster.local",
		"_b._tcp.d.builds.svc",
	]);
});

test("a name with enough dots is tried as it is first, one with a dot at its end alone", () => {
	const rules = { search: ["example"], ndots: 1 };
	expect(fullNames("a.b", rules)).toEqual(["a.b", "a.b.example"]);
	expect(fullNames("a.b.", rules)).toEqual(["a.b"]);
	expect(fullNames("a", { search: [], ndots: 1 })).toEqual(["a"]);
});

test("what is not there or makes no sense does no harm", () => {
	expect(parseResolvConf("")).toEqual({ search: [], ndots: 1 });
	const odd = `; comment\nsearch a.\ndomain b\noptions ndots:99 ndots\nsearch ${"x ".repeat(99)}`;
	expect(parseResolvConf(odd)).toEqual({ search: Array(32).fill("x"), ndots: 15 });
	expect(fullNames("a", { search: ["b".repeat(252)], ndots: 1 })).toEqual(["a"]);
});
