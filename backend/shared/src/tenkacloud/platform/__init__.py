"""What each function is run with: AWS clients, settings, time, telemetry."""
