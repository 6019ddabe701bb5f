// Follows the Nodes of a cluster as Go programs do, by client-go's shared informer: what the agent's own watch is
// compared with (tests/bench/nodes.py).
//
//	informer -kubeconfig FILE [-trim]
//
// It prints "synced: N Nodes" when its store has all of them and, once SIGTERM has ended it, "ended: N updates".
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"sync/atomic"
	"syscall"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/tools/clientcmd"
)

// trim keeps of a Node what a balancer needs, before the store gets it.
func trim(object any) (any, error) {
	node, ok := object.(*corev1.Node)
	if !ok {
		return object, nil
	}
	return &corev1.Node{
		ObjectMeta: metav1.ObjectMeta{Name: node.Name, ResourceVersion: node.ResourceVersion, Labels: node.Labels},
		Status:     corev1.NodeStatus{Addresses: node.Status.Addresses},
	}, nil
}

func run(ctx context.Context, kubeconfig string, trimmed bool) error {
	config, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	if err != nil {
		return err
	}
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return err
	}
	factory := informers.NewSharedInformerFactory(client, 0)
	informer := factory.Core().V1().Nodes().Informer()
	if trimmed {
		if err := informer.SetTransform(trim); err != nil {
			return err
		}
	}
	var updates atomic.Int64
	handler := cache.ResourceEventHandlerFuncs{UpdateFunc: func(any, any) { updates.Add(1) }}
	if _, err := informer.AddEventHandler(handler); err != nil {
		return err
	}
	factory.Start(ctx.Done())
	if !cache.WaitForCacheSync(ctx.Done(), informer.HasSynced) {
		return fmt.Errorf("ended before the Nodes were there")
	}
	fmt.Printf("synced: %d Nodes\n", len(informer.GetStore().ListKeys()))
	<-ctx.Done()
	factory.Shutdown()
	fmt.Printf("ended: %d updates\n", updates.Load())
	return nil
}

func main() {
	kubeconfig := flag.String("kubeconfig", "", "how to reach the API server")
	trimmed := flag.Bool("trim", false, "keep only each Node's name, labels and addresses")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	if err := run(ctx, *kubeconfig, *trimmed); err != nil {
		fmt.Fprintln(os.Stderr, "informer:", err)
		os.Exit(1)
	}
}
