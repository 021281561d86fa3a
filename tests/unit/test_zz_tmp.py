def test_x():
    import chdb
