"""The stream workers: a Faust app whose services run the pure parts of vocab and featurestore on Kafka."""
