"""Files of readings as people have them: spreadsheets, exports and Green Button data, made into the columns of a reading."""
