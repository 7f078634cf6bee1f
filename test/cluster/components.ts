import { Component } from "./component.ts";
import type { ComponentName } from "./component-spec.ts";
import * as controlPlane from "./control-plane.ts";
import { coredns } from "./dns.ts";
import { kedaAdapter, kedaOperator } from "./keda.ts";
import * as node from "./node.ts";
import { nodeMounts } from "./node-mounts.ts";

export type Components = Readonly<Record<ComponentName, Component>>;

/** Handles of all components, running or not; writes the configuration files they need. */
export function makeComponents(): Components {
	return {
		etcd: new Component(controlPlane.etcd()),
		apiserver: new Component(controlPlane.apiserver()),
		kcm: new Component(controlPlane.controllerManager()),
		scheduler: new Component(controlPlane.scheduler()),
		containerd: new Component(node.containerd()),
		kubelet: new Component(node.kubelet()),
		"kube-proxy": new Component(node.kubeProxy()),
		coredns: new Component(coredns()),
		"keda-operator": new Component(kedaOperator()),
		"keda-adapter": new Component(kedaAdapter()),
	};
}

export function makeNodeMounts(): Component {
	return new Component(nodeMounts());
}
