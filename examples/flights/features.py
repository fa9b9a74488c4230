"""Feature views: the same definitions make training rows and serve requests."""

from datetime import timedelta

from loader import congestion, planes, weather

import modelyard as my

origin = my.Entity(name="origin")
tailnum = my.Entity(name="tailnum")

weather_view = my.FeatureView(
    name="weather",
    entities=[origin],
    source=weather,
    event_time="time_hour",
    available_at="published",
    ttl=timedelta(hours=3),
    features=["temp", "dewp", "humid", "wind_dir", "wind_speed", "precip", "pressure", "visib"],
    description="Hourly observations at the airport.",
)

congestion_view = my.FeatureView(
    name="congestion",
    entities=[origin],
    source=congestion,
    event_time="hour_end",
    ttl=timedelta(hours=3),
    features=["departures", "mean_departure_delay", "share_late"],
    description="How the last hour's departures went.",
)

plane_view = my.FeatureView(
    name="plane",
    entities=[tailnum],
    source=planes,
    event_time="registered",
    features=["plane_year", "seats"],
    description="The aircraft register; one in six flights has no entry.",
)
