// A Kafka client of its own kind, franz-go, against hoga's listener: what it was told to do, one JSON line for what came of it.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"strconv"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

const patience = 60 * time.Second

var codecs = map[string]kgo.CompressionCodec{
	"none": kgo.NoCompression(), "gzip": kgo.GzipCompression(), "snappy": kgo.SnappyCompression(),
	"lz4": kgo.Lz4Compression(), "zstd": kgo.ZstdCompression(),
}

func main() {
	if len(os.Args) < 4 {
		fail("franz-go COMMAND BOOTSTRAP TOPIC …: produce CODEC COUNT, consume GROUP COUNT, admin")
	}
	command, bootstrap, topic, rest := os.Args[1], os.Args[2], os.Args[3], os.Args[4:]
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	switch command {
	case "produce":
		produce(ctx, bootstrap, topic, rest[0], number(rest[1]))
	case "consume":
		consume(ctx, bootstrap, topic, rest[0], number(rest[1]))
	case "admin":
		admin(ctx, bootstrap, topic)
	default:
		fail("unknown command " + command)
	}
}

// Idempotent, acks=all, as franz-go is unless it is told otherwise. Prints how many were acknowledged in each partition.
func produce(ctx context.Context, bootstrap, topic, codec string, count int) {
	client := open(bootstrap, kgo.DefaultProduceTopic(topic), kgo.ProducerBatchCompression(codecs[codec]), kgo.ProducerLinger(5*time.Millisecond))
	defer client.Close()
	var lock sync.Mutex
	acknowledged := map[int32]int{}
	for n := range count {
		key := []byte(fmt.Sprintf("%d", n))
		record := &kgo.Record{
			Key: key, Value: []byte(fmt.Sprintf("franz-%s-%d", codec, n)),
			Headers: []kgo.RecordHeader{{Key: "codec", Value: []byte(codec)}},
		}
		client.Produce(ctx, record, func(record *kgo.Record, err error) {
			check(err)
			lock.Lock()
			defer lock.Unlock()
			acknowledged[record.Partition]++
		})
	}
	check(client.Flush(ctx))
	show(acknowledged)
}

// A member of a group (cooperative-sticky) that commits what it has read. Prints the values.
func consume(ctx context.Context, bootstrap, topic, group string, count int) {
	client := open(bootstrap,
		kgo.ConsumerGroup(group), kgo.ConsumeTopics(topic), kgo.DisableAutoCommit(), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
	)
	defer client.Close()
	values := []string{}
	for len(values) < count {
		fetches := client.PollFetches(ctx)
		for _, failed := range fetches.Errors() {
			check(failed.Err)
		}
		fetches.EachRecord(func(record *kgo.Record) { values = append(values, string(record.Value)) })
	}
	check(client.CommitUncommittedOffsets(ctx))
	show(values)
}

// The administrator's calls, one after another, and what each said.
func admin(ctx context.Context, bootstrap, topic string) {
	client := open(bootstrap, kgo.RecordPartitioner(kgo.ManualPartitioner()))
	defer client.Close()
	admin := kadm.NewClient(client)
	said := map[string]any{}
	retention := "3600000"
	created, err := admin.CreateTopic(ctx, 2, 1, map[string]*string{"retention.ms": &retention}, topic)
	check(err)
	check(created.Err)
	more, err := admin.UpdatePartitions(ctx, 5, topic)
	check(err)
	check(more.Error())
	listed, err := admin.ListTopics(ctx, topic)
	check(err)
	said["partitions"] = len(listed[topic].Partitions)
	configs, err := admin.DescribeTopicConfigs(ctx, topic)
	check(err)
	for _, config := range configs[0].Configs {
		if config.Key == "retention.ms" {
			said["retention.ms"] = *config.Value
		}
	}
	base := time.Now().Add(-time.Hour)
	for n := range 100 {
		record := &kgo.Record{Topic: topic, Partition: 0, Timestamp: base.Add(time.Duration(n) * time.Second), Value: []byte(strconv.Itoa(n))}
		check(client.ProduceSync(ctx, record).FirstErr())
	}
	end := offsetOf(admin.ListEndOffsets(ctx, topic))
	said["at_time"] = offsetOf(admin.ListOffsetsAfterMilli(ctx, base.Add(40*time.Second).UnixMilli(), topic))
	commit := func(offset int64) {
		offsets := kadm.Offsets{}
		offsets.AddOffset(topic, 0, offset, -1)
		offsets.AddOffset(topic, 1, 0, -1)
		answered, err := admin.CommitOffsets(ctx, "franz-admin", offsets)
		check(err)
		check(answered.Error())
	}
	commit(30)
	lags, err := admin.Lag(ctx, "franz-admin")
	check(err)
	lag := lags["franz-admin"]
	check(lag.FetchErr)
	said["lag"] = lag.Lag.Total()
	delete := kadm.TopicsSet{}
	delete.Add(topic, 1)
	forgotten, err := admin.DeleteOffsets(ctx, "franz-admin", delete)
	check(err)
	check(forgotten.Error())
	left, err := admin.FetchOffsets(ctx, "franz-admin")
	check(err)
	said["committed_partitions"] = len(left[topic])
	before := kadm.Offsets{}
	before.AddOffset(topic, 0, 60, -1)
	removed, err := admin.DeleteRecords(ctx, before)
	check(err)
	check(removed.Error())
	said["start"], said["end"] = offsetOf(admin.ListStartOffsets(ctx, topic)), end
	_, err = admin.DeleteGroups(ctx, "franz-admin")
	check(err)
	gone, err := admin.DeleteTopics(ctx, topic)
	check(err)
	check(gone.Error())
	left2, err := admin.ListTopics(ctx)
	check(err)
	said["deleted"] = !left2.Has(topic)
	show(said)
}

func offsetOf(listed kadm.ListedOffsets, err error) int64 {
	check(err)
	check(listed.Error())
	for _, partitions := range listed {
		return partitions[0].Offset
	}
	return -1
}

func open(bootstrap string, options ...kgo.Opt) *kgo.Client {
	client, err := kgo.NewClient(append(options, kgo.SeedBrokers(bootstrap))...)
	check(err)
	return client
}

func number(text string) int {
	value, err := strconv.Atoi(text)
	check(err)
	return value
}

func show(value any) { check(json.NewEncoder(os.Stdout).Encode(value)) }

func check(err error) {
	if err != nil {
		fail(err.Error())
	}
}

func fail(message string) {
	fmt.Fprintln(os.Stderr, message)
	os.Exit(1)
}
